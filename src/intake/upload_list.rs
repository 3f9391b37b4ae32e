//! The list of an upload, a CSV file that says which file belongs to which BOL: `file,number,kind,customer`.

use std::collections::HashMap;
use std::io::Cursor;

use super::name::FileName;
use crate::bols::BolNumber;
use crate::csv_file;
use crate::documents::Kind;

/// The maximum number of rows of a list.
const MAX_ROWS: usize = 20_000;

/// What the list says about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadListRow {
    /// More than one if the list names the file more than once.
    pub numbers: Vec<BolNumber>,
    pub kind: Option<Kind>,
    /// Code of a customer; may be empty.
    pub customer: String,
}

#[derive(Clone, Debug, Default)]
pub struct UploadList(HashMap<String, Vec<(FileName, UploadListRow)>>);

impl UploadList {
    /// Parses a CSV file with a header. Columns may come in any order, separated by commas, semicolons or tabs.
    ///
    /// Rejects the whole list if a line is wrong; the error names the line.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut rows = csv_file::open(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        let (header, header_line) = (rows.header.clone(), rows.header_line);
        let column = |name: &str| header.iter().position(|found| found.eq_ignore_ascii_case(name));
        let (Some(file), Some(number)) = (column("file"), column("number")) else {
            return Err(format!(
                "The list needs a first line with the columns file, number, kind, customer. Line {header_line} has \
                 other ones."
            ));
        };
        let (kind, customer) = (column("kind"), column("customer"));
        let mut list = Self::default();
        for (index, (line, record)) in rows.records().enumerate() {
            let record = record.map_err(|error| format!("Line {line} of the list is malformed: {error}"))?;
            if csv_file::has_extra_cells(&record, header.len()) {
                return Err(format!(
                    "Line {line} of the list has more columns than the first line. Put quotes around a name with a \
                     comma."
                ));
            }
            let cell = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
            if index >= MAX_ROWS {
                return Err(format!("The list has more than {MAX_ROWS} lines. Send it in parts."));
            }
            let wrong = |what: &str| Err(format!("Line {line} of the list: {what}"));
            if cell(Some(file)).is_empty() {
                return wrong("the file name is missing.");
            }
            let Ok(found) = cell(Some(number)).to_uppercase().parse::<BolNumber>() else {
                return wrong("the number must look like PRT-2025-0001.");
            };
            let kind = match cell(kind) {
                "" => None,
                text => match text.to_lowercase().parse() {
                    Ok(kind) => Some(kind),
                    Err(_) => {
                        return wrong(&format!("the kind must be one of {}.", Kind::ALL.map(Kind::as_str).join(", ")));
                    }
                },
            };
            let customer = cell(customer).to_uppercase();
            let new = UploadListRow { numbers: vec![found], kind, customer };
            let name = FileName::cleaned(cell(Some(file)));
            list.0.entry(name.key()).or_default().push((name, new));
        }
        Ok(list)
    }

    /// Adds the rows of another list.
    pub fn extend(&mut self, other: Self) {
        for (key, rows) in other.0 {
            self.0.entry(key).or_default().extend(rows);
        }
    }

    /// Returns the row of a file. Contradicting lines give a row with several numbers, and a customer code that doesn't
    /// exist, so that intake puts the file into the inbox.
    pub fn row(&self, name: &FileName) -> Option<UploadListRow> {
        let mut rows = self.0.get(&name.key())?.iter().filter(|(listed, _)| listed.agrees(name)).map(|(_, row)| row);
        let mut row = rows.next()?.clone();
        for other in rows.filter(|other| **other != row).cloned().collect::<Vec<_>>() {
            row.numbers.extend(other.numbers);
            if row.customer != other.customer {
                row.customer = format!("{} and {}", row.customer, other.customer);
            }
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_spreadsheets_write_them() {
        let name = FileName::cleaned("Scan 7.pdf");
        for text in [
            "file,number,kind,customer\nscan 7.PDF,PRT-2025-0007,scale-ticket,acme\n",
            "\u{feff}number;customer;file;kind\r\nprt-2025-0007;ACME;Scan 7.pdf;Scale-Ticket\r\n;;;\r\n",
            "file\tnumber\tkind\tcustomer\n\"C:\\scans\\Scan 7.pdf\"\tPRT-2025-0007\tscale-ticket\tACME",
        ] {
            let list = UploadList::parse(text.as_bytes()).expect(text);
            let row = list.row(&name).expect(text);
            assert_eq!(
                (row.numbers[0].as_str(), row.kind, &*row.customer),
                ("PRT-2025-0007", Some(Kind::ScaleTicket), "ACME")
            );
        }
        let bare = UploadList::parse(b"file,number\nScan 7.pdf,PRT-2025-0007\n").expect("two columns are enough");
        assert_eq!(bare.row(&name).map(|row| row.kind), Some(None));
        let twice =
            UploadList::parse(b"file,number\nScan 7.pdf,PRT-2025-0007\nscan 7.pdf,PRT-2025-0008\n").expect("a list");
        assert_eq!(twice.row(&name).map(|row| row.numbers.len()), Some(2));
        let folders = UploadList::parse(b"file,number\na/Scan 7.pdf,PRT-2025-0007\n").expect("a list");
        let says = |name: &str| folders.row(&FileName::cleaned(name)).is_some();
        assert!(says("Scan 7.pdf") && says("A/scan 7.pdf") && says("C:\\x\\a\\Scan 7.pdf"));
        assert!(!says("b/Scan 7.pdf") && !says("ba/Scan 7.pdf"));
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, expected) in [
            ("", "first line"),
            ("a,b\n1,2\n", "first line"),
            ("file,number\nx.pdf,bol 2025-2\n", "Line 2"),
            ("file,number,kind\nx.pdf,PRT-2025-0001,\ny.pdf,PRT-2025-0001,photo\n", "Line 3"),
            ("file,number\n,PRT-2025-0001\n", "Line 2"),
            ("file,number\nx.pdf,PRT-2025-0001,more,and more\n", "Line 2"),
        ] {
            let error = UploadList::parse(text.as_bytes()).expect_err(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
