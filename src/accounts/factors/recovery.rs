//! Recovery codes: ten, each good once, for a user whose phone is lost.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use rand::TryRngCore as _;

use super::FactorKey;
use super::typed::plain;
use crate::db::schema::recovery_codes;

const CODES: usize = 10;
/// Letters and digits that are not mistaken for each other.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// 60 bits: three groups of four.
const CODE_CHARS: usize = 12;
const GROUP_CHARS: usize = 4;

/// Makes new codes, which replace the former ones. They are shown once.
pub(super) async fn replace(
    connection: &mut AsyncPgConnection,
    key: &FactorKey,
    user_id: i64,
) -> QueryResult<Vec<String>> {
    remove(connection, user_id).await?;
    let codes = (0..CODES).map(|_| generate()).collect::<QueryResult<Vec<String>>>()?;
    let row = |code: &String| {
        (recovery_codes::user_id.eq(user_id), recovery_codes::code_hash.eq(key.hash(user_id, &normalized(code))))
    };
    let rows: Vec<_> = codes.iter().map(row).collect();
    diesel::insert_into(recovery_codes::table).values(rows).execute(connection).await?;
    Ok(codes)
}

/// Uses a code up. Of two requests with one code, the second finds it used.
pub(super) async fn spend(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    key: &FactorKey,
    user_id: i64,
    typed: &str,
) -> QueryResult<bool> {
    let code = normalized(typed);
    if code.len() != CODE_CHARS {
        return Ok(false);
    }
    let unused =
        recovery_codes::table.find((user_id, key.hash(user_id, &code))).filter(recovery_codes::used_at.is_null());
    Ok(diesel::update(unused).set(recovery_codes::used_at.eq(now)).execute(connection).await? == 1)
}

pub(super) async fn remove(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<usize> {
    let theirs = recovery_codes::table.filter(recovery_codes::user_id.eq(user_id));
    diesel::delete(theirs).execute(connection).await
}

fn generate() -> QueryResult<String> {
    let mut bytes = [0; CODE_CHARS];
    rand::rngs::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    let chars: Vec<char> = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = chars.chunks(GROUP_CHARS).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// The code without what people add or leave out: case, spaces and hyphens.
fn normalized(typed: &str) -> String {
    plain(typed).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_typed_in_any_case_and_spacing() {
        let code = generate().expect("randomness");
        assert_eq!(code.len(), 14);
        let plain = normalized(&code);
        assert_eq!(plain.len(), CODE_CHARS);
        assert_eq!(normalized(&format!(" {} ", code.to_uppercase().replace('-', " "))), plain);
        assert!(plain.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
