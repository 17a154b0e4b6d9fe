//! Integers of a chunk under pco: what all pages share, and a part for each page.
//!
//! ```text
//! meta   width 1 (bytes of an integer: 1, 2, 4, 8) │ base zigzag │ pco chunk meta
//! page   pco page
//! ```
//! Integers are kept as offsets from the least of them, in the narrowest type that has room,
//! because pco writes the bounds of its bins in full.
//!
//! *Invariant.* pco writes its format 4.1, without the header that says so. Hostile bytes are an
//! error within pco, or one of what it could be made to allocate: a dictionary of its own and a
//! long look-back window are refused before.

use std::cell::RefCell;

use pco::data_types::Number;
use pco::metadata::{ChunkMeta, DeltaEncoding};
use pco::wrapped::{ChunkDecompressor, FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DecompressorScratch, PagingSpec};

use crate::codec::transform::{as_single, widened};
use crate::cursor::{Cursor, put_zigzag};
use crate::limits::PAGE_ROWS_MAX;

/// The header of a pco file: its format 4.1.
const HEADER: [u8; 2] = [4, 1];

/// The mode of pco that brings a dictionary, of any size it says.
const MODE_DICTIONARY: u8 = 4;

/// LIMIT: pco looks back at most so many rows when it writes; a page takes memory for as many.
const LOOK_BACK_LOG_MAX: u32 = 15;

/// How hard pco tries.
const PCO_LEVEL: usize = 8;

/// A meta and its pages.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) meta: Vec<u8>,
    pub(crate) pages: Vec<Vec<u8>>,
}

impl Encoded {
    pub(crate) fn bytes(&self) -> usize {
        self.meta.len() + self.pages.iter().map(Vec::len).sum::<usize>()
    }
}

/// Integers as pages; `None` where pco will not.
pub(crate) fn encode(integers: &[i64]) -> Option<Encoded> {
    let base = integers.iter().copied().min()?;
    let offsets: Vec<u64> =
        integers.iter().map(|integer| integer.wrapping_sub(base).cast_unsigned()).collect();
    let (width, highest) = match offsets.iter().copied().max()? {
        highest @ 0..=0xff => (1, highest),
        highest @ 0x100..=0xffff => (2, highest),
        highest @ 0x1_0000..=0xffff_ffff => (4, highest),
        highest => (8, highest),
    };
    debug_assert!(highest >> (8 * width - 1) <= 1, "the narrowest width has room");
    let mut meta = vec![width];
    put_zigzag(&mut meta, base);
    match width {
        1 => compress(meta, &narrow::<u8>(&offsets)?),
        2 => compress(meta, &narrow::<u16>(&offsets)?),
        4 => compress(meta, &narrow::<u32>(&offsets)?),
        _ => compress(meta, &offsets),
    }
}

fn narrow<T: TryFrom<u64>>(offsets: &[u64]) -> Option<Vec<T>> {
    offsets.iter().map(|offset| T::try_from(*offset).ok()).collect()
}

/// Floats as pages, as they are.
pub(crate) fn encode_floats(lanes: &[u64]) -> Option<Encoded> {
    let floats: Vec<f64> = lanes.iter().map(|lane| f64::from_bits(*lane)).collect();
    compress(Vec::new(), &floats)
}

/// Floats that are binary32 exactly, as these.
pub(crate) fn encode_singles(lanes: &[u64]) -> Option<Encoded> {
    let singles: Vec<f32> = lanes.iter().map(|lane| as_single(*lane)).collect::<Option<_>>()?;
    compress(Vec::new(), &singles)
}

fn compress<T: Number>(meta: Vec<u8>, numbers: &[T]) -> Option<Encoded> {
    let rows = numbers.chunks(PAGE_ROWS_MAX).map(<[T]>::len).collect();
    let config = ChunkConfig::default()
        .with_compression_level(PCO_LEVEL)
        .with_paging_spec(PagingSpec::Exact(rows))
        .with_enable_8_bit(true);
    let mut chunk = FileCompressor::default().chunk_compressor(numbers, &config).ok()?;
    let meta = chunk.write_meta(meta).ok()?;
    let pages = (0..chunk.n_per_page().len())
        .map(|page| chunk.write_page(page, Vec::new()).ok())
        .collect::<Option<_>>()?;
    Some(Encoded { meta, pages })
}

/// The meta of integers or floats, ready to decode pages.
#[derive(Debug, Clone)]
pub(crate) struct Latents {
    base: i64,
    decoder: Decoder,
}

#[derive(Debug, Clone)]
enum Decoder {
    Bytes(ChunkDecompressor<u8>),
    Shorts(ChunkDecompressor<u16>),
    Words(ChunkDecompressor<u32>),
    Longs(ChunkDecompressor<u64>),
    Floats(ChunkDecompressor<f64>),
    Singles(ChunkDecompressor<f32>),
}

impl Latents {
    pub(crate) fn parse(mut from: Cursor<'_>) -> Option<Self> {
        let width = from.u8()?;
        let base = from.zigzag()?;
        let meta = from.rest();
        let decoder = match width {
            1 => Decoder::Bytes(decompressor(meta)?),
            2 => Decoder::Shorts(decompressor(meta)?),
            4 => Decoder::Words(decompressor(meta)?),
            8 => Decoder::Longs(decompressor(meta)?),
            _ => return None,
        };
        Some(Self { base, decoder })
    }

    pub(crate) fn parse_floats(meta: &[u8]) -> Option<Self> {
        Some(Self { base: 0, decoder: Decoder::Floats(decompressor(meta)?) })
    }

    pub(crate) fn parse_singles(meta: &[u8]) -> Option<Self> {
        Some(Self { base: 0, decoder: Decoder::Singles(decompressor(meta)?) })
    }

    /// About the memory its tables take.
    pub(crate) fn bytes(&self) -> usize {
        match &self.decoder {
            Decoder::Bytes(chunk) => table_bytes(chunk.meta()),
            Decoder::Shorts(chunk) => table_bytes(chunk.meta()),
            Decoder::Words(chunk) => table_bytes(chunk.meta()),
            Decoder::Longs(chunk) => table_bytes(chunk.meta()),
            Decoder::Floats(chunk) => table_bytes(chunk.meta()),
            Decoder::Singles(chunk) => table_bytes(chunk.meta()),
        }
    }

    /// Decodes a page into the first `rows` of `out`: integers, or the bits of floats.
    pub(crate) fn decode(
        &self,
        page: &[u8],
        rows: usize,
        out: &mut [u64; PAGE_ROWS_MAX],
    ) -> Option<()> {
        let out = out.get_mut(..rows)?;
        let base = self.base.cast_unsigned();
        match &self.decoder {
            Decoder::Bytes(chunk) => {
                read(chunk, page, out, |offset| base.wrapping_add(u64::from(offset)))
            }
            Decoder::Shorts(chunk) => {
                read(chunk, page, out, |offset| base.wrapping_add(u64::from(offset)))
            }
            Decoder::Words(chunk) => {
                read(chunk, page, out, |offset| base.wrapping_add(u64::from(offset)))
            }
            Decoder::Longs(chunk) => read(chunk, page, out, |offset| base.wrapping_add(offset)),
            Decoder::Floats(chunk) => read(chunk, page, out, f64::to_bits),
            Decoder::Singles(chunk) => read(chunk, page, out, |single| widened(single.to_bits())),
        }
    }
}

/// What decoding a page needs besides its bytes; a thread uses its own again and again.
#[derive(Default)]
struct Room {
    scratch: DecompressorScratch,
    /// The page, and room behind it for pco to read ahead; else pco would make such a copy itself.
    padded: Vec<u8>,
}

/// As many bytes as pco may want at a time; with fewer it is only slower.
const PADDING: usize = 4096;

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

fn decompressor<T: Number>(meta: &[u8]) -> Option<ChunkDecompressor<T>> {
    if meta.first()? & 0xf == MODE_DICTIONARY {
        return None;
    }
    let (file, _) = FileDecompressor::new(&HEADER[..]).ok()?;
    let (chunk, rest) = file.chunk_decompressor::<T, _>(meta).ok()?;
    if let DeltaEncoding::Lookback { config, .. } = &chunk.meta().delta_encoding
        && config.window_n_log > LOOK_BACK_LOG_MAX
    {
        return None;
    }
    rest.is_empty().then_some(chunk)
}

/// A state takes 12 bytes at most, and there are no more bins, of 16 bytes, than states.
fn table_bytes(meta: &ChunkMeta) -> usize {
    let parts = &meta.per_latent_var;
    let all = [parts.delta.as_ref(), Some(&parts.primary), parts.secondary.as_ref()];
    all.into_iter().flatten().map(|part| (12 + 16) << part.ans_size_log).sum()
}

fn read<T: Number + Default>(
    chunk: &ChunkDecompressor<T>,
    page: &[u8],
    out: &mut [u64],
    lane: impl Fn(T) -> u64,
) -> Option<()> {
    let mut numbers = [T::default(); PAGE_ROWS_MAX];
    let numbers = numbers.get_mut(..out.len())?;
    // A page draws from tables of some ten kilobytes in no order. Where they have left the nearer
    // caches, as between pages far apart, reading them in order once is by far quicker; where
    // they have not, it costs next to nothing.
    let chunk = &chunk.clone();
    ROOM.with_borrow_mut(|Room { scratch, padded }| {
        let len = page.len() + PADDING;
        if padded.len() < len {
            padded.resize(len, 0);
        }
        // Behind the page is what was there before: who reads it has read too far.
        padded.get_mut(..page.len())?.copy_from_slice(page);
        let (padded, rows) = (padded.get(..len)?, numbers.len());
        let mut page = chunk.page_decompressor_with_scratch(padded, rows, scratch).ok()?;
        let progress = page.read(numbers).ok()?;
        (progress.finished && page.into_src().len() == PADDING).then_some(())
    })?;
    out.iter_mut().zip(numbers).for_each(|(to, from)| *to = lane(*from));
    Some(())
}
