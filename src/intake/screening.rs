//! The checks that every file passes before it becomes a document: the virus scan and the examination.

use super::clamd::{self, Scan};
use super::evidence::Evidence;
use super::examine::{ExamineError, Examiner, Fault, Findings};
use super::{FileName, IntakeError};
use crate::bols::PrintedCodes;
use crate::config::ClamdAddress;
use crate::storage::spool::Spooled;

/// The findings of an acceptable file, or the reason why the file is rejected.
pub type Examined = Result<Findings, String>;

/// What checks a file.
#[derive(Clone, Copy)]
pub struct Screening<'a> {
    pub examiner: &'a Examiner,
    /// The virus scanner, if one is configured.
    pub clamd: Option<&'a ClamdAddress>,
    /// The prefix of our BOL numbers.
    pub prefix: &'a str,
    /// The QR codes that count.
    pub codes: &'a PrintedCodes,
}

impl Screening<'_> {
    /// Scans a file for viruses, if a scanner is configured, and examines it.
    pub(crate) async fn screen(&self, spooled: &Spooled) -> Result<Examined, IntakeError> {
        match self.scan(spooled).await? {
            Some(refusal) => Ok(Err(refusal)),
            None => self.examine(spooled).await,
        }
    }

    /// Scans a file for viruses, if a scanner is configured. Returns why the file is rejected.
    pub(super) async fn scan(&self, spooled: &Spooled) -> Result<Option<String>, IntakeError> {
        if spooled.size == 0 {
            return Ok(Some(Fault::Empty.reason().into()));
        }
        if let Some(address) = self.clamd {
            match clamd::scan(address, &spooled.file).await {
                Ok(Scan::Clean) => {}
                Ok(Scan::Infected(name)) => {
                    return Ok(Some(format!("The virus scanner found {name} in the file. Tell the sender.")));
                }
                Ok(Scan::TooLarge) => {
                    return Ok(Some(
                        "The file is larger than the virus scanner accepts. Split it, or ask the administrator to raise clamd's StreamMaxLength."
                            .into(),
                    ));
                }
                Err(error) => return Err(IntakeError::Scanner(error.to_string())),
            }
        }
        Ok(None)
    }

    /// Examines a PDF.
    pub(super) async fn examine(&self, spooled: &Spooled) -> Result<Examined, IntakeError> {
        match self.examiner.examine(&spooled.file).await {
            Ok(findings) => Ok(Ok(findings)),
            Err(ExamineError::Fault(fault)) => Ok(Err(fault.reason().into())),
            Err(ExamineError::Unavailable(error)) => Err(IntakeError::Unavailable(error.to_string())),
        }
    }

    /// Returns the BOL numbers found in a file and in its name, by source, as the inbox shows them.
    pub(crate) fn numbers_in(&self, findings: &Findings, name: &FileName) -> serde_json::Value {
        Evidence::new(findings, name, None, self.prefix, self.codes).to_json()
    }
}
