//! Finds the item whose value cannot be read and ends the connection.
//!
//! A message with such a value is gone as a whole, with the values of all other items in it. After
//! it, the items are read in groups before they are subscribed; a group that ends the connection
//! is halved, until one item is left.
//!
//! What no item is to blame for lies in an event, or in the history: the owner of the connection hears
//! that the search is [at a loss](Quarantine::is_at_a_loss) and leaves those alone for a while.
//!
//! *Invariant.* It ends: every connection that ends halves a group, and every answer removes one.

use opcua::client::Session;
use opcua::types::{Error, NodeId, StatusCode, TimestampsToReturn};
use tokio::time::Instant;

use super::super::items::{Handle, Items};
use super::super::link::is_indigestible;
use super::{Survey, value_of};

/// LIMIT: items of the first groups. Larger ones need fewer requests where all is well.
const GROUP_MAX: usize = 200;

/// The search.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    groups: Vec<Vec<Handle>>,
    reading: Option<Vec<Handle>>,
    /// How often in a row it had to begin and found nobody.
    begun: u32,
}

/// How often nobody is found until somebody else is looked for: a value may have changed meanwhile.
const FRUITLESS_MAX: u32 = 2;

impl Quarantine {
    /// A connection ended for this reason. Begins the search where a value was to blame, or goes
    /// on with it. Returns the item that is found out.
    pub(super) fn ended(&mut self, status: StatusCode, items: &mut Items) -> Option<Handle> {
        if let Some(mut group) = self.reading.take() {
            let half = group.split_off(group.len() / 2);
            if group.is_empty() {
                let culprit = half.first().copied()?;
                self.begun = 0;
                items.quarantine(culprit, Instant::now());
                return Some(culprit);
            }
            self.groups.extend([group, half]);
        } else if self.groups.is_empty() && is_indigestible(status) {
            self.begun = self.begun.saturating_add(1);
            let all: Vec<Handle> = items.watched().map(|item| item.handle).collect();
            self.groups = all.chunks(GROUP_MAX).map(<[Handle]>::to_vec).collect();
        }
        None
    }

    /// Whether connections go on to end at what cannot be read, and no item is to blame.
    pub(super) fn is_at_a_loss(&self) -> bool {
        self.begun > FRUITLESS_MAX
    }

    /// All was well for long: what comes from here on has another cause.
    pub(super) fn calm(&mut self) {
        self.begun = 0;
    }

    /// Reads the groups that are left.
    ///
    /// # Errors
    /// The connection ended: [`Self::ended`] is to hear of it.
    pub(super) async fn search(
        &mut self,
        session: &Session,
        survey: &Survey,
        items: &mut Items,
    ) -> Result<(), Error> {
        while let Some(group) = self.groups.pop() {
            let node = |handle: &Handle| items.get(*handle)?.node.node.resolve(&survey.namespaces);
            let nodes: Vec<NodeId> = group.iter().filter_map(node).collect();
            self.reading = Some(group);
            for chunk in nodes.chunks(survey.read_max.max(1)) {
                let reads: Vec<_> = chunk.iter().map(value_of).collect();
                match session.read(&reads, TimestampsToReturn::Neither, 0.0).await {
                    // Some transports give up the answer alone, and not the connection.
                    Err(error) if is_indigestible(error.status()) => {
                        self.ended(error.status(), items);
                        break;
                    }
                    other => drop(other?),
                }
            }
            self.reading = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::settings::Node;
    use super::*;
    use tacitus_model::TagPath;

    #[test]
    fn the_item_to_blame_is_found_by_halving() {
        let mut items = Items::default();
        for number in 1..=300 {
            let name = format!("i={number}").parse().unwrap();
            let handle =
                items.add(Node::new(name, TagPath::new(&number.to_string()).unwrap())).unwrap();
            items.good(handle);
        }
        let poison = Handle(137);
        let mut quarantine = Quarantine::default();
        assert_eq!(quarantine.ended(StatusCode::BadDecodingError, &mut items), None);
        let mut found = None;
        let mut connections = 0;
        while let Some(group) = quarantine.groups.pop() {
            if group.contains(&poison) {
                connections += 1;
                quarantine.reading = Some(group);
                found = found.or(quarantine.ended(StatusCode::BadConnectionClosed, &mut items));
            }
        }
        assert_eq!(found, Some(poison));
        assert!(connections <= 9, "{connections}");
        assert_eq!(items.failures().len(), 1);
        assert!(items.due(Instant::now()).is_empty());
    }

    /// An event that cannot be read comes again with every ConditionRefresh.
    #[test]
    fn where_no_item_is_to_blame_something_else_is() {
        let mut items = Items::default();
        let node = Node::new("i=1".parse().unwrap(), TagPath::new("a").unwrap());
        let handle = items.add(node).unwrap();
        let mut quarantine = Quarantine::default();
        for want in [false, false, true] {
            items.good(handle);
            quarantine.ended(StatusCode::BadDecodingError, &mut items);
            assert_eq!(quarantine.is_at_a_loss(), want);
            // The group is read without trouble.
            assert_eq!(quarantine.groups.pop(), Some(vec![handle]));
        }
    }

    #[test]
    fn an_ordinary_cut_begins_no_search() {
        let mut items = Items::default();
        let node = Node::new("i=1".parse().unwrap(), TagPath::new("a").unwrap());
        let handle = items.add(node).unwrap();
        items.good(handle);
        let mut quarantine = Quarantine::default();
        quarantine.ended(StatusCode::BadConnectionClosed, &mut items);
        assert!(quarantine.groups.is_empty());
    }
}
