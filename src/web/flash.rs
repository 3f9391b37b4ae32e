//! Redirects after a form, and the message that the next page shows.
//!
//! The address carries a word (`?done=saved`); the page looks up its text here. An unknown word shows nothing, so no
//! text of an address ever reaches a page.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;

/// What was done before the redirect to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flash {
    /// In the address.
    pub word: &'static str,
    /// On the page.
    pub text: &'static str,
}

/// The `done` of an address.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Done {
    done: String,
}

impl Done {
    /// The flash of this address, if the page knows its word.
    pub fn find(&self, known: &[Flash]) -> Option<Flash> {
        known.iter().find(|flash| flash.word == self.done).copied()
    }
}

/// Redirects to another page (303), which then shows the flash. The path may have a query and a fragment.
pub fn see_other(path: &str, flash: Option<Flash>) -> HttpResponse {
    let target = flash.map_or_else(|| path.to_owned(), |flash| flash.on(path));
    HttpResponse::SeeOther().insert_header((LOCATION, target)).finish()
}

impl Flash {
    /// The address of the page that shows it.
    pub fn on(self, path: &str) -> String {
        let (path, fragment) = path.find('#').map_or((path, ""), |at| path.split_at(at));
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{path}{separator}done={}{fragment}", self.word)
    }
}

/// Names the flashes of a page, and lists them as `ALL`.
macro_rules! flashes {
    ($($(#[$doc:meta])* $page:ident { $($name:ident: $word:literal => $text:literal,)* })*) => {
        $($(#[$doc])* pub mod $page {
            use super::Flash;
            $(pub const $name: Flash = Flash { word: $word, text: $text };)*
            pub const ALL: &[Flash] = &[$($name),*];
        })*
    };
}

flashes! {
    /// `/login`
    login {
        LOGGED_OUT: "out" => "You have been logged out.",
        LOGGED_OUT_HERE: "here" => "You have been logged out here.",
        LOGGED_OUT_EVERYWHERE: "everywhere" => "You have been logged out on every device.",
    }
    /// Any page that a user sees first
    start {
        PASSWORD_SET: "welcome" => "Your password is set, and you are logged in.",
        OTHER_USER: "other-user" => "Another user has logged in in this browser since then, so nothing was changed.",
        NOT_DONE: "not-done" => "Your session had ended, so nothing was changed. Do it again here.",
    }
    /// `/account`
    account {
        PASSWORD_CHANGED: "password" => "Your password is changed. Every other session has been ended.",
        SESSION_ENDED: "session" => "The session has ended.",
        NOTICES_SAVED: "mail" => "Saved. This applies to the next email.",
    }
    /// `/account/factors`
    factors {
        APP_REMOVED: "app-removed" => "The authenticator app is removed. Its codes no longer work.",
        DEVICE_FORGOTTEN: "forgotten" => "The device is forgotten. Its next login asks for the second factor.",
    }
    /// `/account/passkeys`
    passkeys {
        ADDED: "added" => "The passkey is added. It logs you in from now on, without a password.",
        RENAMED: "renamed" => "Saved.",
        REMOVED: "removed" => "The passkey is removed. Every other session has been ended.",
    }
    /// The API tokens of a user or a service account
    tokens {
        REVOKED: "revoked" => "The token is revoked. Programs that use it are refused from now on.",
        MADE_BEFORE: "made" =>
            "The token was made before, and is not shown again. If you have no copy, revoke it and make a new one.",
    }
    /// The webhooks of the office or a company
    webhooks {
        ADDED: "added" => "The webhook is on. It gets what happens from now on.",
        ADDED_BEFORE: "before" => "The webhook was added before. If you have no copy of its secret, make a new signing key.",
        NEW_KEY: "key" => "The new key signs from now on. The one before signs too for 24 hours.",
        KEY_MADE_BEFORE: "key-before" => "The new key was made before. Nothing was changed now.",
        SAVED: "saved" => "Saved. It applies from the next message on.",
        ON: "on" => "The webhook is on. It gets what happens from now on.",
        OFF: "off" => "The webhook is off. It gets nothing until you turn it on.",
        REMOVED: "removed" => "The webhook is removed.",
        SENT_AGAIN: "again" => "The message is sent again, with the same webhook-id.",
    }
    /// `/people`
    people {
        INVITED: "invited" => "Invited. An email says what to do next.",
        RESENT: "resent" => "A new invitation was sent by email. A link in an earlier one no longer works.",
        SENT_BEFORE: "sent" =>
            "A link was sent less than a minute ago, so nothing was sent now. That link works; look in the spam folder too.",
        FACTOR_SAVED: "factor" => "Saved. It applies from each person’s next login on.",
        SERVICE_DISABLED: "disabled" => "The service account is disabled, and its tokens are revoked.",
        REMOVED: "left" => "Removed. This person no longer sees your bills of lading.",
        SAVED: "saved" => "Saved.",
    }
    /// `/bols`
    bols {
        ASSIGNED: "assigned" => "Assigned. Only this customer sees these BOLs from now on.",
        RETURNED: "returned" => "The assignment is undone. Each BOL has its former customer again, or none.",
        PARTLY_RETURNED: "partly" =>
            "The assignment is undone, except for BOLs that were assigned again in the meantime.",
        READ: "read" => "All BOLs are marked as read.",
        NEW_AGAIN: "new" => "The BOLs are marked as new again.",
    }
    /// `/bols`, when nothing was done
    not_selected {
        NOTHING: "none" => "Nothing is selected. Tick at least one BOL, then choose what to do with it.",
        TOO_MANY: "many" =>
            "Too many BOLs for one step. You can tick 500; all that match may be 1,000 to assign and 5,000 in a ZIP. Choose a shorter range of dates.",
        TOO_LATE: "late" =>
            "Nothing was undone. The BOLs were assigned again in the meantime, or an hour has passed. Assign them again.",
    }
    /// `/bols/{number}`
    bol {
        ISSUED: "issued" => "Issued. The PDF is stored, and the customer sees this BOL from now on.",
        VOIDED: "void" => "The BOL is void. The stamped copy is the current version.",
        ASSIGNED: "assigned" => "Assigned. Only this customer sees this BOL from now on.",
        RETURNED: "returned" => "The assignment is undone. This BOL has its former customer again, or none.",
        UNFILED: "unfiled" => "Back in the inbox. The customer no longer sees that document.",
        WEIGHED: "weight" => "The official weight is entered. The stamped copy is the current version.",
    }
    /// `/office`
    today {
        REMINDED: "reminded" => "Reminded. The customer gets an email in a moment.",
    }
    /// `/office`, when no reminder was sent
    not_reminded {
        TOO_SOON: "already" => "This customer was reminded within the last hour. Nothing was sent.",
        ALL_FETCHED: "nothing" => "The customer has fetched everything. Nothing was sent.",
        NO_RECIPIENT: "nobody" =>
            "This customer has no one to email. Invite a user, or add an address on the customer's page.",
    }
    /// `/office/inbox`
    inbox {
        FILED: "filed" => "Filed. The BOL's customer sees the document from now on.",
        CLEANED: "cleaned" => "Filed as a cleaned copy. The customer sees the copy; the original is for the office alone.",
        DISCARDED: "discarded" => "Moved to the bin. You can restore it from there.",
        RESTORED: "restored" => "Back in the inbox.",
    }
    /// `/office/customers/{code}`
    customer {
        ADDED: "added" => "The customer is added. Next, invite its people so that they can find their bills of lading.",
        SAVED: "saved" => "Saved. BOLs that were issued stay as they are.",
        SHIP_TOS_SAVED: "ship-to" => "The ship-to addresses are saved. BOLs that were issued stay as they are.",
        ADDRESSES_SAVED: "address" => "The list of addresses is saved.",
        ACTIVATED: "active" => "The customer is active again. It gets new BOLs, and its users see their BOLs.",
        DEACTIVATED: "inactive" => "The customer is inactive. It gets no new BOLs, and its users see none.",
        FACTOR_SAVED: "factor" => "Saved. It applies from each person’s next login on.",
        VIEWED_AS: "looked" => "Back in your own account.",
    }
    /// `/office/users` and `/office/users/{id}`
    users {
        INVITED: "invited" => "Invited. An email says how to log in.",
        RESENT: "resent" => "A new invitation was sent by email. A link in an earlier one no longer works.",
        SENT_BEFORE: "sent" =>
            "A link was sent less than a minute ago, so nothing was sent now. That link works; look in the spam folder too.",
        DISABLED: "disabled" => "The login is disabled. Its sessions are ended, and its API tokens revoked.",
        ENABLED: "enabled" => "The login is enabled.",
        SAVED: "saved" => "Saved.",
        FACTORS_RESET: "factors" => "The second factors are removed, and the sessions ended. An email says so.",
        COMPANY_ADDED: "joined" => "The company is added.",
        LOGIN_REMOVED: "gone" =>
            "The company is removed, and so is the login, which was never used.",
        COMPANY_REMOVED: "left" => "The company is removed. The user no longer sees its BOLs.",
    }
    /// `/office/products`
    products {
        PRODUCT_ADDED: "product-added" => "The product is on the list.",
        PRODUCT_SAVED: "product-saved" => "The product is saved. BOLs that were issued stay as they are.",
        LOT_ADDED: "lot-added" => "The lot is on the list.",
        LOT_SAVED: "lot-saved" => "The lot is saved. BOLs that were issued stay as they are.",
    }
    /// `/office/carriers`
    carriers {
        CARRIER_ADDED: "carrier-added" => "The carrier is on the list.",
        CARRIER_SAVED: "carrier-saved" => "The carrier is saved. BOLs that were issued stay as they are.",
        TRUCK_ADDED: "truck-added" => "The truck is on the list.",
        TRUCK_SAVED: "truck-saved" => "The truck is saved. BOLs that were issued stay as they are.",
    }
    /// `/office/settings`
    settings {
        RELEASES_SAVED: "originals" => "Saved. The inbox uses this setting from now on.",
        SECURITY_CONTACT_SAVED: "security" => "The security contact is saved.",
        UNUSUAL_SAVED: "unusual" => "Saved. The next look at the access log uses these numbers.",
        THRESHOLDS_SAVED: "days" => "Saved. Today uses these days from now on.",
        SAVED: "saved" =>
            "The settings are saved. The next BOL prints them. Issued BOLs stay as they are.",
    }
    /// `/office/storage`
    storage {
        PRICES_SAVED: "prices" => "The prices are saved. Every estimate uses them.",
    }
    /// `/audit/integrity`
    integrity {
        BEGUN: "begun" => "The verification has started. Its result will appear below.",
    }
    /// `/password-reset`
    password_reset {
        SENT: "sent" => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_joins_the_query_of_its_address() {
        let target = |path, flash| {
            let response = see_other(path, flash);
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            target.map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(target("/bols", None), "/bols");
        assert_eq!(target("/people", Some(people::SAVED)), "/people?done=saved");
        assert_eq!(target("/office/inbox?show=bin", Some(inbox::RESTORED)), "/office/inbox?show=bin&done=restored");
    }

    #[test]
    fn an_unknown_word_has_no_text() {
        let find = |word: &str| Done { done: word.into() }.find(bol::ALL);
        assert_eq!(find("void"), Some(bol::VOIDED));
        assert_eq!((find(""), find("<b>")), (None, None));
    }
}
