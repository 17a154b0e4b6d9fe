//! The names of the store's files: a number and what it is the number of.
//!
//! *Invariant.* A name is one of the words below, or digits and a suffix, never anything that came
//! from outside; a name that we would not have written belongs to nobody here and is left alone.

/// Names of the store's files, by number.
#[derive(Debug)]
pub(crate) struct Naming;

impl Naming {
    /// The file that a process locks while it has the directory open.
    pub(crate) const LOCK: &'static str = "lock";
    /// What the store remembers between runs.
    pub(crate) const MARKS: &'static str = "marks";

    const TEMPORARY: &'static str = ".tmp";
    const LOG: &'static str = ".log";
    const SPARE: &'static str = ".spare";
    const SEGMENT: &'static str = ".seg";
    const CATALOG: &'static str = ".cat";
    const MANIFEST: &'static str = ".manifest";
    const AUDIT: &'static str = ".audit";
    const DOCUMENTS: &'static str = ".docs";
    const BACKUP: &'static str = ".backup";
    const BAD: &'static str = ".bad";

    pub(crate) fn log(number: u64) -> String {
        format!("{number:010}{}", Self::LOG)
    }

    pub(crate) fn spare(number: u64) -> String {
        format!("{number:010}{}", Self::SPARE)
    }

    pub(crate) fn segment(number: u64) -> String {
        format!("{number:010}{}", Self::SEGMENT)
    }

    pub(crate) fn catalog(number: u64) -> String {
        format!("{number:010}{}", Self::CATALOG)
    }

    pub(crate) fn audit(number: u64) -> String {
        format!("{number:010}{}", Self::AUDIT)
    }

    pub(crate) fn documents(number: u64) -> String {
        format!("{number:010}{}", Self::DOCUMENTS)
    }

    pub(crate) fn manifest(number: u64) -> String {
        format!("{number:010}{}", Self::MANIFEST)
    }

    /// The list of what a backup holds.
    pub(crate) fn backup(number: u64) -> String {
        format!("{number:010}{}", Self::BACKUP)
    }

    /// A damaged file that a repair took out of the store.
    pub(crate) fn bad(name: &str) -> String {
        format!("{name}{}", Self::BAD)
    }

    pub(crate) fn is_bad(name: &str) -> bool {
        name.ends_with(Self::BAD)
    }

    pub(crate) fn temporary(name: &str) -> String {
        format!("{name}{}", Self::TEMPORARY)
    }

    pub(crate) fn is_temporary(name: &str) -> bool {
        name.strip_suffix(Self::TEMPORARY).is_some_and(|name| {
            let suffixes = [
                Self::LOG,
                Self::SEGMENT,
                Self::CATALOG,
                Self::AUDIT,
                Self::DOCUMENTS,
                Self::MANIFEST,
                Self::BACKUP,
            ];
            name == Self::MARKS || suffixes.into_iter().any(|suffix| number(name, suffix).is_some())
        })
    }

    pub(crate) fn log_number(name: &str) -> Option<u64> {
        number(name, Self::LOG)
    }

    pub(crate) fn spare_number(name: &str) -> Option<u64> {
        number(name, Self::SPARE)
    }

    pub(crate) fn segment_number(name: &str) -> Option<u64> {
        number(name, Self::SEGMENT)
    }

    pub(crate) fn catalog_number(name: &str) -> Option<u64> {
        number(name, Self::CATALOG)
    }

    pub(crate) fn audit_number(name: &str) -> Option<u64> {
        number(name, Self::AUDIT)
    }

    pub(crate) fn documents_number(name: &str) -> Option<u64> {
        number(name, Self::DOCUMENTS)
    }

    pub(crate) fn backup_number(name: &str) -> Option<u64> {
        number(name, Self::BACKUP)
    }

    pub(crate) fn manifest_number(name: &str) -> Option<u64> {
        number(name, Self::MANIFEST)
    }
}

fn number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    let plain = digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_have_a_number() {
        assert_eq!(Naming::log_number(&Naming::log(7)), Some(7));
        assert_eq!(Naming::log_number("99999999999.log"), Some(99_999_999_999));
        for name in
            ["7.log", "000000000x.log", "0000000007.log.tmp", "0000000007.seg", "+000000007.log"]
        {
            assert_eq!(Naming::log_number(name), None, "{name}");
        }
    }
}
