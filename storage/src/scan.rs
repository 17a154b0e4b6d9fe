//! The samples of one tag in time order, in blocks.
//!
//! *Invariant.* Times rise strictly from block to block; a block is never empty. After an error
//! there is nothing more.

use tacitus_model::Kind;

use crate::block::Block;
use crate::error::Error;
use crate::merge::{Merge, PageRun, Part};

/// An iterator over a tag's samples in blocks of at most [`crate::BLOCK_ROWS_MAX`] rows.
#[derive(Debug)]
pub struct TagScan {
    state: State,
    /// Pages that are to be read before the next part.
    run: Option<PageRun>,
    tracked: bool,
}

#[derive(Debug)]
enum State {
    Merging(Merge),
    Failed(Error),
    Over,
}

impl TagScan {
    pub(crate) fn new(merge: Result<Merge, Error>, tracked: bool) -> Self {
        Self { state: merge.map_or_else(State::Failed, State::Merging), run: None, tracked }
    }

    pub(crate) fn empty() -> Self {
        Self::new(Ok(Merge::new(Kind::Float, Vec::new())), false)
    }

    fn next_block(&mut self, merge: &mut Merge) -> Result<Option<Block>, Error> {
        loop {
            if let Some(run) = &mut self.run {
                if let Some(page) = run.pages.next() {
                    let block = run.read(page, self.tracked)?;
                    if block.is_empty() {
                        continue;
                    }
                    return Ok(Some(block));
                }
                self.run = None;
            }
            match merge.next_part()? {
                Some(Part::Pages(run)) => self.run = Some(run),
                Some(Part::Rows(block)) if block.is_empty() => {}
                Some(Part::Rows(block)) => return Ok(Some(block)),
                None => return Ok(None),
            }
        }
    }
}

impl Iterator for TagScan {
    type Item = Result<Block, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => None,
            State::Failed(error) => Some(Err(error)),
            State::Merging(mut merge) => {
                let next = self.next_block(&mut merge).transpose();
                if matches!(next, Some(Ok(_))) {
                    self.state = State::Merging(merge);
                }
                next
            }
        }
    }
}
