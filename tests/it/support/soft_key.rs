//! A passkey in software: answers like an authenticator, and with any mistake that a test makes.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub const USER_PRESENT: u8 = 0x01;
pub const USER_VERIFIED: u8 = 0x04;
pub const BACKUP_ELIGIBLE: u8 = 0x08;
pub const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;

/// ECDSA with P-256, which every authenticator knows (COSE -7).
const ES256: &[u8] = &[0x26];

/// The private key, and what the authenticator keeps beside it.
pub struct SoftKey {
    key: EcdsaKeyPair,
    pub id: Vec<u8>,
    pub user_handle: Vec<u8>,
    pub sign_count: u32,
    pub flags: u8,
}

/// An answer before it is signed. Each field may be altered.
#[derive(Clone, Debug)]
pub struct SoftAnswer {
    pub ceremony: String,
    pub client_data: Value,
    pub rp_id: String,
    pub flags: u8,
    pub sign_count: u32,
    /// In base64url.
    pub id: String,
    pub raw_id: Vec<u8>,
    pub kind: String,
    pub user_handle: Option<Vec<u8>>,
    /// The algorithm in the COSE key of a new passkey, in CBOR.
    pub algorithm: &'static [u8],
}

impl SoftAnswer {
    fn new(options: &Value, kind: &str, origin: &str, key: &SoftKey) -> Self {
        let public_key = &options["publicKey"];
        let rp_id = public_key["rpId"].as_str().or(public_key["rp"]["id"].as_str()).unwrap();
        let challenge = &public_key["challenge"];
        Self {
            ceremony: options["ceremony"].as_str().unwrap().into(),
            client_data: json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false}),
            rp_id: rp_id.into(),
            flags: key.flags,
            sign_count: key.sign_count,
            id: URL_SAFE_NO_PAD.encode(&key.id),
            raw_id: key.id.clone(),
            kind: "public-key".into(),
            user_handle: Some(key.user_handle.clone()),
            algorithm: ES256,
        }
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.sign_count.to_be_bytes());
        data
    }

    /// The JSON that the page's script would send.
    fn sent(&self, response: Value) -> String {
        let raw_id = URL_SAFE_NO_PAD.encode(&self.raw_id);
        let credential = json!({"id": self.id, "rawId": raw_id, "type": self.kind, "response": response});
        json!({"ceremony": self.ceremony, "credential": credential}).to_string()
    }
}

impl SoftKey {
    /// Makes a passkey for the user of these options.
    pub fn new(options: &Value) -> Self {
        let mut id = vec![0; 32];
        aws_lc_rs::rand::fill(&mut id).unwrap();
        let user_handle = options["publicKey"]["user"]["id"].as_str().unwrap();
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id,
            user_handle: URL_SAFE_NO_PAD.decode(user_handle).unwrap(),
            sign_count: 1,
            flags: USER_PRESENT | USER_VERIFIED,
        }
    }

    /// The answer to `navigator.credentials.create`.
    pub fn registration(&self, options: &Value, origin: &str) -> SoftAnswer {
        SoftAnswer::new(options, "webauthn.create", origin, self)
    }

    /// The answer to `navigator.credentials.get`. The authenticator counts it.
    pub fn answer(&mut self, options: &Value, origin: &str) -> SoftAnswer {
        if self.sign_count > 0 {
            self.sign_count += 1;
        }
        SoftAnswer::new(options, "webauthn.get", origin, self)
    }

    /// A new passkey, without attestation.
    pub fn register(&self, answer: &SoftAnswer) -> String {
        let mut data = answer.authenticator_data(answer.flags | HAS_CREDENTIAL);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose(answer.algorithm));
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        answer.sent(json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(answer.client_data.to_string()),
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "transports": ["internal"],
        }))
    }

    /// The public key (RFC 9053, 2.1).
    fn cose(&self, algorithm: &[u8]) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let mut cose = vec![0xa5, 0x01, 0x02, 0x03];
        cose.extend(algorithm);
        cose.extend([0x20, 0x01, 0x21, 0x58, 0x20]);
        cose.extend(&point[1..33]);
        cose.extend([0x22, 0x58, 0x20]);
        cose.extend(&point[33..]);
        cose
    }

    /// A signed answer.
    pub fn sign(&self, answer: &SoftAnswer) -> String {
        let client_data = answer.client_data.to_string();
        let data = answer.authenticator_data(answer.flags);
        let signed = [&data, digest(&SHA256, client_data.as_bytes()).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        answer.sent(json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": answer.user_handle.as_ref().map(|handle| URL_SAFE_NO_PAD.encode(handle)),
        }))
    }
}

/// Changes one bit of a member of an answer's response.
pub fn flip(answer: &str, member: &str) -> String {
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    let field = &mut answer["credential"]["response"][member];
    let mut bytes = URL_SAFE_NO_PAD.decode(field.as_str().unwrap()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    *field = URL_SAFE_NO_PAD.encode(bytes).into();
    answer.to_string()
}
