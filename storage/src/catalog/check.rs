//! What a definition must keep to, so that it can be written and read again.
//!
//! *Invariant.* A definition that passes stays decodable, and its thinning has a bound that holds.

use tacitus_model::{Kind, LABELS_MAX, STATES_MAX, TagDefinition, Thinning, ThinningRule};

use crate::catalog::record::TEXT_BYTES_MAX;
use crate::error::{Error, ErrorKind};

/// Sorts the labels; of two with one key the later counts.
pub(crate) fn tidy(definition: &mut TagDefinition) {
    let labels = &mut definition.labels;
    if labels.is_sorted_by(|(a, _), (b, _)| a < b) {
        return;
    }
    labels.reverse();
    labels.sort_by(|(a, _), (b, _)| a.cmp(b));
    labels.dedup_by(|(a, _), (b, _)| a == b);
}

/// Refuses a definition that cannot be kept.
pub(crate) fn check(definition: &TagDefinition) -> Result<(), Error> {
    let path = &definition.path;
    let refuse = |what: String, hint| Err(Error::new(ErrorKind::Invalid, what, hint));
    if definition.labels.len() > LABELS_MAX {
        let hint = "give the tag fewer labels";
        return refuse(format!("tag \"{path}\" has more than {LABELS_MAX} labels"), hint);
    }
    if definition.states.len() > STATES_MAX {
        let hint = "name fewer states";
        return refuse(format!("tag \"{path}\" has more than {STATES_MAX} states"), hint);
    }
    if definition.states.is_empty() == (definition.kind == Kind::State) {
        let hint = "name the states of a state tag, and of no other";
        return refuse(
            format!("tag \"{path}\" is {} but its states say otherwise", definition.kind),
            hint,
        );
    }
    let labels = definition.labels.iter().map(|(key, value)| key.len() + value.len());
    let states = definition.states.iter().map(String::len);
    let texts =
        [&definition.unit, &definition.description, &definition.source, &definition.retention];
    let bytes: usize = labels.chain(states).chain(texts.map(String::len)).sum();
    if bytes > TEXT_BYTES_MAX {
        let hint = "shorten the description, the labels or the state names";
        let most = TEXT_BYTES_MAX;
        return refuse(
            format!("tag \"{path}\" is described in {bytes} bytes, at most {most}"),
            hint,
        );
    }
    definition.thinning.map_or(Ok(()), |thinning| check_thinning(definition, thinning))
}

/// Refuses a thinning whose bound means nothing for the tag.
fn check_thinning(definition: &TagDefinition, thinning: Thinning) -> Result<(), Error> {
    let path = &definition.path;
    let refuse = |what: &str, hint| {
        let what = format!("tag \"{path}\" cannot be thinned so: {what}");
        Err(Error::new(ErrorKind::Invalid, what, hint))
    };
    if !matches!(definition.kind, Kind::Float | Kind::Int) {
        return refuse("its values have no distance", "thin float and int tags only");
    }
    if !(thinning.band.is_finite() && thinning.band >= 0.0) || thinning.max_gap_ns < 1 {
        let hint = "give a band of 0 or more and a gap of a nanosecond or more";
        return refuse("the band or the longest gap is no number of that sort", hint);
    }
    if thinning.rule == ThinningRule::SwingingDoor && definition.step {
        let hint = "thin a tag that steps by exception";
        return refuse("its value holds and moves in no straight line", hint);
    }
    Ok(())
}
