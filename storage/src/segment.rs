//! Sealed samples on disk.
use tacitus_model::{Kind, TagId, TimeRange};

use crate::block::Block;
use crate::error::Error;

/// A sealed segment.
#[derive(Debug)]
pub(crate) struct Segment;

/// Pages of one tag.
#[derive(Debug)]
pub(crate) struct Pages;

impl Segment {
    pub(crate) fn pages(&self, _tag: TagId, _range: TimeRange) -> Option<Pages> {
        None
    }
}

impl Pages {
    pub(crate) fn kind(&self) -> Kind {
        Kind::Float
    }
}

impl Iterator for Pages {
    type Item = Result<Block, Error>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
