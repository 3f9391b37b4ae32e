//! The printed BOL: a PDF on US Letter, tagged (PDF/UA-1), with embedded typefaces. The same data gives the same bytes.
//!
//! `sheet` formats every value, and `form` says what stands where. Below it, `flow` puts boxes on pages, `paper` writes pages
//! and tags, and `text` shapes letters and breaks lines.

mod flow;
mod form;
mod paper;
mod sheet;
mod text;

use std::sync::LazyLock;

use tokio::sync::Semaphore;

pub use self::sheet::Sheet;

/// A bug in the program. User input is checked earlier and never causes it.
#[derive(Debug, thiserror::Error)]
#[error("the BOL can't be printed: {0}")]
pub struct PrintError(String);

impl Sheet {
    /// Returns the PDF. It takes some milliseconds of processor time; async code uses [`print`].
    pub fn render(&self) -> Result<Vec<u8>, PrintError> {
        form::pdf(self)
    }
}

/// Returns the PDF, made outside of the async threads.
///
/// At most one sheet per core is printed at once, and one preview. Issuing holds the counter of BOL numbers, so it must
/// not wait for previews.
pub async fn print(sheet: Sheet) -> Result<Vec<u8>, PrintError> {
    static PRINTS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));
    static PREVIEWS: Semaphore = Semaphore::const_new(1);
    let semaphore = if sheet.draft { &PREVIEWS } else { &*PRINTS };
    let _permit = semaphore.acquire().await.map_err(|error| PrintError(error.to_string()))?;
    match tokio::task::spawn_blocking(move || sheet.render()).await {
        Ok(result) => result,
        Err(error) => Err(PrintError(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bols::Printed;
    use crate::typefaces::unprintable;

    /// A character that the check of a field lets through must not fail at issue, when the load is on the truck.
    #[test]
    fn every_character_that_a_field_takes_can_be_printed() {
        let printable: Vec<char> =
            ('\u{20}'..='\u{ffff}').filter(|c| unprintable(c.encode_utf8(&mut [0; 4])).is_none()).collect();
        assert!(printable.len() > 20_000, "{}", printable.len());
        let is_right_to_left =
            |c: &char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
        assert_eq!(printable.iter().find(|c| is_right_to_left(c)), None);
        for characters in printable.chunks(5_000) {
            let printed = Printed {
                bol_date: chrono::NaiveDate::default(),
                special_instructions: characters.iter().collect(),
                ship_to: characters.iter().rev().take(200).flat_map(|c| [*c, '\n']).collect(),
                ..Printed::default()
            };
            let pdf = Sheet::preview(&printed).render();
            assert!(pdf.is_ok(), "{:?} from {:?}", pdf.err(), characters.first());
        }
    }
}
