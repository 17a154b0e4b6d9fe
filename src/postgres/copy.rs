//! `COPY … TO STDOUT` and `COPY samples FROM STDIN`, in text, CSV and binary.
//!
//! *Invariant.* `COPY n` is answered after the sync that covers the last of the n rows. A row that
//! cannot be kept ends the command and is named; the rows before it may be on disk, which is said.

mod read;

use bytes::{BufMut, BytesMut};
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use pgwire::messages::{PgWireBackendMessage as Back, PgWireFrontendMessage as Front};

use self::read::Reader;
use super::command::{CopyForm, CopyStyle};
use super::failure::{Ended, Failure, Stop};
use super::insert::{self, Sink};
use super::limits::WRITE_ROWS_MAX;
use super::row::{Column, Form, sized};
use super::rows::{Rows, forms};
use super::socket::{Socket, frame};
use crate::ingest::Ingest;

/// What a binary COPY begins with: its name, flags and the length of an extension.
pub(super) const SIGNATURE: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Sends the rows of an answer; how many there were.
pub(super) async fn out(
    socket: &mut Socket,
    mut rows: Rows,
    form: &CopyForm,
    zone: chrono_tz::Tz,
) -> Result<u64, Stop> {
    let binary = i8::from(form.style == CopyStyle::Binary);
    let columns = rows.schema().fields().len();
    let names: Vec<String> =
        rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let count = i16::try_from(columns).unwrap_or(i16::MAX);
    let formats = vec![i16::from(binary); columns];
    socket.put(Back::CopyOutResponse(CopyOutResponse::new(binary, count, formats)));
    if form.header && form.style != CopyStyle::Binary {
        frame(socket.buffer(), b'd', |out| header(out, &names, form));
    }
    let asked: Vec<Form> = forms(rows.schema(), &[i16::from(binary)]);
    let mut first = true;
    let mut line = BytesMut::new();
    let mut write = |out: &mut BytesMut, columns: &[Column], row: usize| {
        frame(out, b'd', |out| match form.style {
            CopyStyle::Binary => {
                if std::mem::take(&mut first) {
                    out.put_slice(SIGNATURE);
                }
                out.put_i16(count);
                for column in columns {
                    sized(out, |out| column.write(row, out));
                }
            }
            _ => text_row(out, &mut line, columns, row, form),
        });
    };
    let sent = rows.send(socket, &asked, zone, None, &mut write).await?;
    if form.style == CopyStyle::Binary {
        frame(socket.buffer(), b'd', |out| {
            if sent.rows == 0 {
                out.put_slice(SIGNATURE);
            }
            out.put_i16(-1);
        });
    }
    socket.put(Back::CopyDone(CopyDone::new()));
    Ok(sent.rows)
}

fn header(out: &mut BytesMut, names: &[String], form: &CopyForm) {
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            out.put_u8(form.delimiter);
        }
        cell(out, name.as_bytes(), form);
    }
    out.put_u8(b'\n');
}

fn text_row(
    out: &mut BytesMut,
    value: &mut BytesMut,
    columns: &[Column],
    row: usize,
    form: &CopyForm,
) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.put_u8(form.delimiter);
        }
        value.clear();
        if column.write(row, value) {
            cell(out, value, form);
        } else {
            out.put_slice(form.null.as_bytes());
        }
    }
    out.put_u8(b'\n');
}

/// One value, so that it reads back as itself.
fn cell(out: &mut BytesMut, value: &[u8], form: &CopyForm) {
    if form.style == CopyStyle::Csv {
        let quote = value == form.null.as_bytes()
            || value == b"\\."
            || value.iter().any(|byte| {
                *byte == form.delimiter || *byte == form.quote || matches!(byte, b'\n' | b'\r')
            });
        if !quote {
            out.put_slice(value);
            return;
        }
        out.put_u8(form.quote);
        for byte in value {
            if *byte == form.quote || *byte == form.escape {
                out.put_u8(form.escape);
            }
            out.put_u8(*byte);
        }
        out.put_u8(form.quote);
        return;
    }
    for byte in value {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            11 => b'v',
            12 => b'f',
            byte if *byte == form.delimiter => *byte,
            byte => {
                out.put_u8(*byte);
                continue;
            }
        };
        out.put_slice(&[b'\\', letter]);
    }
}

/// Takes rows from the client and writes them; how many there were.
pub(super) async fn take(
    socket: &mut Socket,
    ingest: &Ingest,
    columns: &[String],
    form: &CopyForm,
) -> Result<u64, Stop> {
    let targets = insert::targets(columns)?;
    let binary = i8::from(form.style == CopyStyle::Binary);
    let count = i16::try_from(targets.len()).unwrap_or(i16::MAX);
    let formats = vec![i16::from(binary); targets.len()];
    socket.put(Back::CopyInResponse(CopyInResponse::new(binary, count, formats)));
    socket.flush().await?;
    let mut reader = Reader::new(targets, form.clone());
    let mut sink = Sink { ingest, written: 0 };
    loop {
        match socket.next().await? {
            Front::CopyData(data) => {
                reader.feed(&data.data)?;
                while reader.points() >= WRITE_ROWS_MAX {
                    sink.write(socket, reader.take(WRITE_ROWS_MAX)).await?;
                }
            }
            Front::CopyDone(_) => break,
            Front::CopyFail(fail) => {
                let message = format!("COPY from stdin failed: {}", fail.message);
                return Err(Failure::new("57014", message).into());
            }
            // Drivers send a Sync ahead of the data.
            Front::Flush(_) | Front::Sync(_) => {}
            Front::Terminate(_) => return Err(Ended::Gone.into()),
            _ => return Err(Failure::protocol("this message does not belong to COPY").into()),
        }
    }
    reader.finish()?;
    while reader.points() > 0 {
        sink.write(socket, reader.take(WRITE_ROWS_MAX)).await?;
    }
    Ok(sink.written)
}
