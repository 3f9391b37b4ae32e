//! What a browser sends: the answer of its authenticator, with the id of the ceremony.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::{PasskeyError, Refusal};
use crate::accounts::Token;

/// Real answers have one or two kilobytes; an attestation could have more.
const MAX_BYTES: usize = 32 * 1024;

pub(super) struct Answer<C> {
    pub ceremony: Token,
    pub credential: C,
}

#[derive(Deserialize)]
struct Sent<C> {
    ceremony: String,
    credential: C,
}

/// The fields that both kinds of answers have.
pub(super) trait Credential: DeserializeOwned {
    fn id(&self) -> (&str, &[u8]);
    fn kind(&self) -> &str;
    fn client_data(&self) -> &[u8];
}

impl Credential for PublicKeyCredential {
    fn id(&self) -> (&str, &[u8]) {
        (&self.id, &self.raw_id)
    }

    fn kind(&self) -> &str {
        &self.type_
    }

    fn client_data(&self) -> &[u8] {
        &self.response.client_data_json
    }
}

impl Credential for RegisterPublicKeyCredential {
    fn id(&self) -> (&str, &[u8]) {
        (&self.id, &self.raw_id)
    }

    fn kind(&self) -> &str {
        &self.type_
    }

    fn client_data(&self) -> &[u8] {
        &self.response.client_data_json
    }
}

impl<C: Credential> Answer<C> {
    /// Reads the JSON that `static/passkeys.js` writes.
    pub(super) fn parse(text: &str) -> Result<Self, PasskeyError> {
        let sent: Option<Sent<C>> = Some(text).filter(|text| text.len() <= MAX_BYTES).and_then(read);
        let Sent { ceremony, credential } = sent.ok_or(PasskeyError::Refused(Refusal::Invalid))?;
        Ok(Self { ceremony: Token::presented(&ceremony), credential })
    }

    /// Checks what webauthn-rs leaves out: that both spellings of the id agree, the type, and that no other site embeds the
    /// page.
    pub(super) fn is_sound(&self) -> bool {
        let (id, raw_id) = self.credential.id();
        let is_whole = id == URL_SAFE_NO_PAD.encode(raw_id) && self.credential.kind() == "public-key";
        is_whole && !is_embedded(self.credential.client_data())
    }
}

fn read<C: DeserializeOwned>(text: &str) -> Option<Sent<C>> {
    serde_json::from_str(text).ok()
}

/// Whether the answer was given to a page in a frame of another site (WebAuthn Level 3, 7.2, steps 12 and 13).
fn is_embedded(client_data: &[u8]) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct ClientData {
        cross_origin: bool,
        top_origin: Option<String>,
    }
    match serde_json::from_slice::<ClientData>(client_data) {
        Ok(data) => data.cross_origin || data.top_origin.is_some(),
        Err(_) => true,
    }
}
