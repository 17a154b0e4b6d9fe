//! The roles of the configuration: what their statements may take.
//!
//! *Invariant.* What a role leaves out is as in `[query]`, and no role has more memory than all
//! statements have together.

use std::collections::BTreeMap;

use tacitus_query::RoleLimits;

use super::Problem;
use super::checked::Keys;

/// The roles by name, and a problem for each mistake in them.
pub(super) fn check(
    keys: &Keys<'_>,
    default: &RoleLimits,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, RoleLimits> {
    let mut roles = BTreeMap::new();
    for entry in keys.entries("query.roles") {
        // A name that is missing is reported already.
        let Some(name) = keys.text(&format!("{entry}.name")) else { continue };
        let of = |key: &str| format!("{entry}.{key}");
        let whole = |count: Option<u64>| count.and_then(|count| usize::try_from(count).ok());
        let limits = RoleLimits {
            memory_bytes_max: whole(keys.size(&of("memory")))
                .unwrap_or(default.memory_bytes_max)
                .min(default.memory_bytes_max),
            rows_max: keys.count(&of("rows")).map_or(default.rows_max, |rows| rows as u64),
            statement_time_max: keys.span(&of("time")).unwrap_or(default.statement_time_max),
            statements_max: keys.count(&of("statements")).unwrap_or(default.statements_max),
            temp_bytes_max: keys.size(&of("temp")).unwrap_or(default.temp_bytes_max),
        };
        if roles.insert(name.clone(), limits).is_some() {
            problems.push(Problem {
                origin: keys.origin(&of("name")),
                message: format!("two roles are called \"{name}\""),
                hint: "give each a name of its own".to_owned(),
            });
        }
    }
    roles
}
