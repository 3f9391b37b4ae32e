//! The bytes of the ZIP, written to a channel without seeking.

use std::io::{self, Seek, Write};

use chrono::Datelike;
use tokio::sync::mpsc::Receiver;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{ZipEntry, ZipPart};
use crate::bols::weight::Pounds;
use crate::csv_file::escape_formula;
use crate::stream_writer::StreamWriter;

const INDEX: &str = "index.csv";
const SUMS: &str = "SHA256SUMS";

/// Writes the ZIP. Blocks, and ends early when the reader is gone. An incomplete stream breaks the connection, so that
/// the ZIP doesn't look complete.
pub(super) fn pack(mut parts: Receiver<ZipPart>, writer: StreamWriter) {
    if let Err(error) = write(&mut parts, writer).and_then(StreamWriter::finish) {
        tracing::info!(%error, "a ZIP is incomplete");
    }
}

fn write(parts: &mut Receiver<ZipPart>, writer: StreamWriter) -> io::Result<StreamWriter> {
    let mut zip = ZipWriter::new_stream(writer);
    let mut index = csv::Writer::from_writer(Vec::new());
    index.write_record([
        "number", "date", "customer", "product", "net_lb", "net_tons", "status", "file", "bytes", "sha256", "problem",
    ])?;
    let mut sums = String::new();
    loop {
        match parts.blocking_recv() {
            Some(ZipPart::Document { entry, name, file, size, sha256 }) => {
                zip.start_file(&name, options(&entry)).map_err(io::Error::other)?;
                let mut file = file.try_clone()?;
                file.rewind()?;
                io::copy(&mut file, &mut zip)?;
                let sha256 = hex::encode(sha256);
                sums.push_str(&format!("{sha256}  {name}\n"));
                index.write_record(record(&entry, &name, &size.to_string(), &sha256))?;
            }
            Some(ZipPart::Missing(entry)) => index.write_record(record(&entry, "", "", ""))?,
            Some(ZipPart::End) => break,
            None => return Err(io::Error::other("the ZIP is incomplete")),
        }
    }
    let index = index.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    sums.push_str(&format!("{}  {INDEX}\n", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&index))));
    for (name, bytes) in [(INDEX, index.as_slice()), (SUMS, sums.as_bytes())] {
        zip.start_file(name, plain()).map_err(io::Error::other)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish().map_err(io::Error::other)?.into_inner())
}

pub fn plain() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .unix_permissions(0o644)
}

/// Returns the options of a file that carries the date of its BOL.
fn options(entry: &ZipEntry) -> SimpleFileOptions {
    let (month, day) = (entry.date.month() as u8, entry.date.day() as u8);
    let date = u16::try_from(entry.date.year())
        .ok()
        .and_then(|year| DateTime::from_date_and_time(year, month, day, 12, 0, 0).ok());
    match date {
        Some(date) => plain().last_modified_time(date),
        None => plain(),
    }
}

fn record(entry: &ZipEntry, file: &str, bytes: &str, sha256: &str) -> [String; 11] {
    [
        entry.number.clone(),
        entry.date.to_string(),
        escape_formula(&entry.customer).into_owned(),
        escape_formula(&entry.product).into_owned(),
        entry.net_lb.to_string(),
        Pounds(entry.net_lb).short_tons().replace(',', ""),
        if entry.is_void { "void".into() } else { "issued".into() },
        file.into(),
        bytes.into(),
        sha256.into(),
        entry.problem.clone(),
    ]
}
