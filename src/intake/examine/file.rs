//! Whether a file is a PDF that customers can open.

use hayro::hayro_syntax::{LoadPdfError, Pdf};

use super::{Fault, safety};

/// Last bytes in which readers look for the end of a PDF (ISO 32000-1, Annex H, note 18).
const TAIL: usize = 1024;

/// Opens the PDF, or returns what is wrong with it.
pub fn open(bytes: Vec<u8>) -> Result<Pdf, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    // Readers accept a header within the first kilobyte, but such a file may be something else as well.
    if !bytes.starts_with(b"%PDF-") {
        return Err(Fault::NotPdf);
    }
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    if !contains(tail, b"%%EOF") || !contains(&bytes, b"startxref") {
        return Err(Fault::Truncated);
    }
    if safety::is_encrypted(&bytes) {
        return Err(Fault::Encrypted);
    }
    if safety::names_a_script(&bytes) {
        return Err(Fault::Script);
    }
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => Fault::Encrypted,
        LoadPdfError::Invalid => Fault::Unreadable,
    })?;
    if safety::runs_something(&pdf) {
        return Err(Fault::Script);
    }
    let Some(first) = pdf.pages().first() else { return Err(Fault::NoPage) };
    let (width, height) = first.render_dimensions();
    if width.is_finite() && height.is_finite() && width >= 1.0 && height >= 1.0 {
        Ok(pdf)
    } else {
        Err(Fault::Unreadable)
    }
}

pub(super) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_names() {
        let fault = |bytes: &[u8]| open(bytes.to_vec()).err();
        assert_eq!(fault(b""), Some(Fault::Empty));
        assert_eq!(fault(b"<html>%PDF-1.7 startxref %%EOF"), Some(Fault::NotPdf));
        assert_eq!(fault(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog"), Some(Fault::Truncated));
        assert_eq!(fault(b"%PDF-1.7\nstartxref\n0\n%%EOF\n"), Some(Fault::Unreadable));
    }
}
