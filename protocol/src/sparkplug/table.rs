//! What a node and its devices were born with: names, aliases, types. It is what makes sense of
//! their data.
//!
//! *Invariant.* An alias leads to one metric, or to none where it is not clear to which. A table that
//! is written and read back leads from every name and alias to the same type.

use std::collections::{BTreeMap, HashMap};

use prost::Message as _;

use super::datatype::DataType;

/// A metric as it was born.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signal {
    /// The device it belongs to; `None`: the node.
    pub(super) device: Option<String>,
    pub(super) name: String,
    pub(super) alias: Option<u64>,
    pub(super) kind: DataType,
    pub(super) is_transient: bool,
    /// The leaves it had so far, below its name, and their types; a scalar has one without a name.
    pub(super) leaves: BTreeMap<String, DataType>,
}

impl Signal {
    /// A leaf of this name and type was there; whether for the first time.
    pub(super) fn met(&mut self, leaf: &str, kind: DataType) -> bool {
        match self.leaves.get_mut(leaf) {
            None => {
                self.leaves.insert(leaf.to_owned(), kind);
                true
            }
            Some(own) => {
                // Data need not repeat what the birth said.
                if kind != DataType::Unknown {
                    *own = kind;
                }
                false
            }
        }
    }
}

/// The metrics of a node and its devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    signals: Vec<Signal>,
    names: HashMap<(Option<String>, String), usize>,
    /// Places of the metrics of an alias. Some devices number their metrics for themselves, though an
    /// alias is to be one of the whole node.
    aliases: HashMap<u64, Vec<usize>>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Everything of a device (or of the node) is born anew.
    pub(super) fn forget(&mut self, device: Option<&str>) {
        let signals = std::mem::take(&mut self.signals);
        *self = Self::default();
        for signal in signals.into_iter().filter(|signal| signal.device.as_deref() != device) {
            let _told_before = self.add(signal);
        }
    }

    /// A metric of that name is this one from now on. Returns the name of another with its alias.
    pub(super) fn add(&mut self, signal: Signal) -> Option<String> {
        let index = self.signals.len();
        self.names.insert((signal.device.clone(), signal.name.clone()), index);
        let mut other = None;
        if let Some(alias) = signal.alias {
            let own = self.places(signal.device.as_deref(), alias);
            other = own.iter().find_map(|at| self.signals.get(*at)).map(|own| own.name.clone());
            self.aliases.entry(alias).or_default().push(index);
        }
        self.signals.push(signal);
        other
    }

    /// The metrics of a device with an alias: one, where all is well.
    fn places(&self, device: Option<&str>, alias: u64) -> Vec<usize> {
        let is_own = |at: &usize| {
            self.signals.get(*at).is_some_and(|signal| {
                let key = (signal.device.clone(), signal.name.clone());
                signal.device.as_deref() == device && self.names.get(&key) == Some(at)
            })
        };
        self.aliases.get(&alias).into_iter().flatten().copied().filter(is_own).collect()
    }

    /// The metric of an alias: that of the device, else the only one that has it.
    pub(super) fn by_alias(&self, device: Option<&str>, alias: u64) -> Option<&Signal> {
        let all = self.aliases.get(&alias)?;
        let found = match (all.as_slice(), self.places(device, alias).as_slice()) {
            ([only], []) | (_, [only]) => *only,
            _ => return None,
        };
        self.signals.get(found)
    }

    pub(super) fn by_name(&mut self, device: Option<&str>, name: &str) -> Option<&mut Signal> {
        let index = *self.names.get(&(device.map(str::to_owned), name.to_owned()))?;
        self.signals.get_mut(index)
    }

    /// A metric whose name differs from this one only by a prefix that some senders put before
    /// names in births and leave out of data.
    pub(super) fn by_bare_name(&mut self, device: Option<&str>, name: &str) -> Option<&mut Signal> {
        const PREFIXES: [&str; 3] = ["DATA/", "ATTR/", "CMD/"];
        let known = |prefix: &str| {
            self.names.contains_key(&(device.map(str::to_owned), format!("{prefix}{name}")))
        };
        let prefix = PREFIXES.into_iter().find(|prefix| known(prefix))?;
        self.by_name(device, &format!("{prefix}{name}"))
    }

    /// The metrics of a device, or of the node alone.
    pub(super) fn of(&self, device: Option<&str>) -> impl Iterator<Item = &Signal> {
        let live = |(index, signal): &(usize, &Signal)| {
            self.names.get(&(signal.device.clone(), signal.name.clone())) == Some(index)
        };
        let own = move |signal: &&Signal| signal.device.as_deref() == device;
        self.signals.iter().enumerate().filter(live).map(|(_, signal)| signal).filter(own)
    }

    /// As bytes that [`Self::read`] understands.
    pub(super) fn written(&self, bd_seq: Option<u64>, online: &BTreeMap<String, bool>) -> Vec<u8> {
        let signals = self.signals.iter().map(|signal| Record {
            device: signal.device.clone(),
            name: signal.name.clone(),
            alias: signal.alias,
            datatype: signal.kind.number(),
            transient: signal.is_transient,
            leaves: signal.leaves.keys().cloned().collect(),
            types: signal.leaves.values().map(|kind| kind.number()).collect(),
        });
        let devices = online.iter().filter(|(_, online)| **online).map(|(name, _)| name.clone());
        let book = Book {
            version: VERSION,
            bd_seq,
            signals: signals.collect(),
            devices: devices.collect(),
        };
        book.encode_to_vec()
    }

    /// A table that was written, its bdSeq, and the devices that were there; `None` where the
    /// bytes are of another version.
    pub(super) fn read(bytes: &[u8]) -> Option<(Self, Option<u64>, Vec<String>)> {
        let book = Book::decode(bytes).ok().filter(|book| book.version == VERSION)?;
        let mut table = Self::default();
        for record in book.signals {
            // A table that was written without the types of its leaves has none of them.
            let types = record.types.into_iter().chain(std::iter::repeat(0));
            let leaves = record.leaves.into_iter().zip(types.map(DataType::from_number));
            let _told_before = table.add(Signal {
                device: record.device,
                name: record.name,
                alias: record.alias,
                kind: DataType::from_number(record.datatype),
                is_transient: record.transient,
                leaves: leaves.collect(),
            });
        }
        Some((table, book.bd_seq, book.devices))
    }
}

/// The version of the form in which tables are kept.
const VERSION: u32 = 1;

/// A table as it is kept.
#[derive(Clone, PartialEq, prost::Message)]
struct Book {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(uint64, optional, tag = "2")]
    bd_seq: Option<u64>,
    #[prost(message, repeated, tag = "3")]
    signals: Vec<Record>,
    #[prost(string, repeated, tag = "4")]
    devices: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(string, optional, tag = "1")]
    device: Option<String>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint64, optional, tag = "3")]
    alias: Option<u64>,
    #[prost(uint32, tag = "4")]
    datatype: u32,
    #[prost(bool, tag = "5")]
    transient: bool,
    #[prost(string, repeated, tag = "6")]
    leaves: Vec<String>,
    #[prost(uint32, repeated, tag = "7")]
    types: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(device: Option<&str>, name: &str, alias: u64) -> Signal {
        Signal {
            device: device.map(str::to_owned),
            name: name.to_owned(),
            alias: Some(alias),
            kind: DataType::Int16,
            is_transient: false,
            leaves: BTreeMap::from([(String::new(), DataType::Int16)]),
        }
    }

    #[test]
    fn a_table_comes_back_as_it_was_written() {
        let mut table = Table::default();
        assert_eq!(table.add(signal(None, "a", 1)), None);
        assert_eq!(table.add(signal(Some("d"), "a", 2)), None);
        let online = BTreeMap::from([("d".to_owned(), true), ("gone".to_owned(), false)]);
        let (read, bd_seq, devices) = Table::read(&table.written(Some(7), &online)).unwrap();
        assert_eq!((read, bd_seq, devices), (table, Some(7), vec!["d".to_owned()]));
        assert_eq!(Table::read(b"\xff"), None);
    }

    #[test]
    fn a_device_is_forgotten_with_its_aliases() {
        let mut table = Table::default();
        assert_eq!(table.add(signal(None, "a", 1)), None);
        assert_eq!(table.add(signal(Some("d"), "a", 2)), None);
        table.forget(Some("d"));
        assert!(table.by_alias(Some("d"), 2).is_none());
        assert!(table.by_name(Some("d"), "a").is_none());
        assert_eq!(table.by_alias(None, 1).unwrap().name, "a");
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn an_alias_that_two_metrics_of_a_device_have_leads_to_none() {
        let mut table = Table::default();
        assert_eq!(table.add(signal(Some("d"), "a", 1)), None);
        assert_eq!(table.add(signal(Some("e"), "b", 1)), None);
        assert_eq!(table.add(signal(Some("d"), "c", 1)), Some("a".to_owned()));
        assert!(table.by_alias(Some("d"), 1).is_none());
        assert_eq!(table.by_alias(Some("e"), 1).unwrap().name, "b");
        // The same metric again is not another.
        assert_eq!(table.add(signal(Some("e"), "b", 1)), None);
        assert!(table.by_alias(Some("e"), 1).is_some());
    }

    #[test]
    fn a_name_is_found_without_the_prefix_of_its_birth() {
        let mut table = Table::default();
        assert_eq!(table.add(signal(None, "DATA/T", 1)), None);
        assert_eq!(table.by_bare_name(None, "T").unwrap().name, "DATA/T");
        assert!(table.by_bare_name(None, "U").is_none());
    }
}
