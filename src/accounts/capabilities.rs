//! What a login may do: the one place where roles become permissions.
//!
//! Higher layers ask a [`Viewer`] for a capability and name no role. While an office user views the portal as a
//! customer, the viewer has the customer's capabilities.

use super::Viewer;
use super::api_tokens::TokenScope;
use super::users::Role::{self, Admin, Auditor, Customer, Office};

impl Viewer {
    fn is_one_of(&self, roles: &[Role]) -> bool {
        roles.contains(&self.role)
    }

    /// List bills of lading, within the viewer's scope.
    pub fn can_list_bols(&self) -> bool {
        self.is_one_of(&[Customer, Office, Auditor, Admin])
    }

    /// Open a BOL and download its documents.
    pub fn can_open_documents(&self) -> bool {
        self.is_one_of(&[Customer, Office, Admin])
    }

    /// See the BOLs of every customer, and those without a customer.
    pub fn can_see_all_customers(&self) -> bool {
        self.is_one_of(&[Office, Auditor, Admin])
    }

    /// Work in the terminal's office: issue, void and weigh BOLs, upload documents, and maintain lists and customers.
    pub fn can_issue(&self) -> bool {
        self.is_one_of(&[Office, Admin])
    }

    /// Assign BOLs to customers.
    pub fn can_assign(&self) -> bool {
        self.can_issue()
    }

    /// Read, export and verify the access log.
    pub fn can_read_log(&self) -> bool {
        self.is_one_of(&[Auditor, Admin])
    }

    /// Download a pack of events together with the PDFs that they name.
    pub fn can_pack_documents(&self) -> bool {
        self.can_read_log() && self.can_open_documents()
    }

    /// Administer the portal itself: the storage and its cost.
    pub fn can_administer(&self) -> bool {
        self.is_one_of(&[Admin])
    }

    /// Choose how to be emailed about new documents of the viewer's companies.
    pub fn can_choose_notices(&self) -> bool {
        self.is_one_of(&[Customer])
    }

    /// Invite and remove the logins of at least one of the viewer's companies.
    pub fn can_manage_company(&self) -> bool {
        self.is_one_of(&[Customer]) && self.administered().next().is_some()
    }
}

impl Role {
    /// Whether a token of this role can do anything with the scope.
    pub fn has_use_for(self, scope: TokenScope) -> bool {
        match scope {
            TokenScope::BolsRead => true,
            TokenScope::DocumentsRead => matches!(self, Customer | Office | Admin),
            TokenScope::BolsIssue | TokenScope::DocumentsUpload => matches!(self, Office | Admin),
            TokenScope::LogRead => matches!(self, Auditor | Admin),
        }
    }

    /// Logins of this role belong to companies; those of other roles never do.
    pub fn belongs_to_companies(self) -> bool {
        self == Customer
    }
}
