//! Passwords: what is accepted (NIST SP 800-63B-4, section 3.1.1), and argon2id hashing off the async threads.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use super::breached::BreachList;

/// The password is the only factor, so at least 15 characters (Unicode code points).
pub const MIN_LENGTH_CHARS: usize = 15;
pub const MAX_LENGTH_CHARS: usize = 128;
/// The rule as people read it, with these two numbers.
pub const RULE: &str = "15 to 128 characters. All characters are allowed, including spaces. Passwords that attackers try \
                        first are refused: common and leaked ones, keyboard rows, repeats, and those made from your name, \
                        email address or company.";

/// The most bytes that `MAX_LENGTH_CHARS` characters can have. Longer input is not hashed.
const MAX_LENGTH_BYTES: usize = MAX_LENGTH_CHARS * 4;

/// The score of zxcvbn for a password that resists an offline attack on a slow hash.
const MIN_GUESSES: u64 = 10_000_000_000;

/// Long passwords that are on every breach list but score well.
const COMMON_PHRASES: [&str; 24] = [
    "correcthorsebatterystaple",
    "correct horse battery staple",
    "thequickbrownfox",
    "the quick brown fox jumps over the lazy dog",
    "tobeornottobethatisthequestion",
    "maytheforcebewithyou",
    "thisismypassword",
    "thisisapassword",
    "mysecretpassword",
    "ihatepasswords",
    "ihavenopassword",
    "nopasswordneeded",
    "letmeinplease",
    "opensesame",
    "changeme",
    "manchesterunited",
    "unitedstatesofamerica",
    "jesuschrist",
    "jesuslovesme",
    "godisgoodallthetime",
    "thelordismyshepherd",
    "iloveyousomuch",
    "ilovemyhusband",
    "ilovemyfamily",
];

/// The characters that are estimated. The estimate of leaked words and l33t spellings takes time that grows much faster
/// than the password, and 15 unlikely characters are enough.
const MAX_ESTIMATED_CHARS: usize = 32;

/// One permit for each core. A hash takes 19 MiB, and more hashes at once would only slow each other down.
static HASHING_PERMITS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(hashing_threads()));

fn hashing_threads() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

/// Places in the queue for each hashing thread: half a second of waiting on a slow core.
const PLACES_PER_THREAD: usize = 8;
/// Places that attempts on one account take, so that guesses at one password leave room for others.
const PLACES_PER_ACCOUNT: usize = 3;
/// When a refused client should try again.
pub const BUSY_RETRY: Duration = Duration::from_secs(5);

/// Who hashes or waits to.
#[derive(Default)]
struct Queue {
    strangers: usize,
    known: usize,
    accounts: HashMap<String, usize>,
}

static QUEUE: LazyLock<Mutex<Queue>> = LazyLock::new(Mutex::default);

/// As many passwords are being verified as the process can take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Many passwords are being checked right now. Try again in a few seconds.")]
pub struct Busy;

/// A place in the queue for hashing. Dropping it frees it.
pub struct Place {
    account: String,
    is_known: bool,
}

impl Place {
    /// Takes a place before any hashing. Users whom the portal knows already, by their session or their browser, queue
    /// apart from strangers.
    pub fn take(account: &str, is_known: bool) -> Result<Self, Busy> {
        let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
        let most = PLACES_PER_THREAD * hashing_threads();
        let taken = if is_known { queue.known } else { queue.strangers };
        let by_account = queue.accounts.get(account).copied().unwrap_or_default();
        if taken >= most || by_account >= PLACES_PER_ACCOUNT {
            return Err(Busy);
        }
        queue.accounts.insert(account.to_owned(), by_account + 1);
        *queue.lane(is_known) += 1;
        Ok(Self { account: account.to_owned(), is_known })
    }
}

impl Queue {
    fn lane(&mut self, is_known: bool) -> &mut usize {
        if is_known { &mut self.known } else { &mut self.strangers }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
        *queue.lane(self.is_known) -= 1;
        if let Some(count) = queue.accounts.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                queue.accounts.remove(&self.account);
            }
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unacceptable {
    #[error("Use at least {MIN_LENGTH_CHARS} characters. A few words that only you would put together work well.")]
    TooShort,
    #[error("Use at most {MAX_LENGTH_CHARS} characters.")]
    TooLong,
    #[error("This password, or one very much like it, is on lists of common and breached passwords. Choose another.")]
    Common,
    #[error(
        "This password is made from your name, email address or company, which attackers try first. Choose another."
    )]
    Personal,
    #[error("The password can’t be compared with the list of breached ones right now. Try again in a few minutes.")]
    Unchecked,
}

/// Accepts any Unicode without composition rules. Rejects common and breached passwords, combinations of them, and the
/// user's own name, address and companies, given in `about`. A list of breached passwords that can't be read accepts none.
pub async fn check(password: &str, about: &[&str], breached: Option<&BreachList>) -> Result<(), Unacceptable> {
    let password = normalized(password);
    let length = password.chars().count();
    if length < MIN_LENGTH_CHARS {
        return Err(Unacceptable::TooShort);
    }
    if length > MAX_LENGTH_CHARS {
        return Err(Unacceptable::TooLong);
    }
    if let Some(list) = breached.cloned() {
        let whole = password.clone();
        match on_a_hashing_thread(move || list.contains(&whole)).await {
            Some(Ok(false)) => {}
            Some(Ok(true)) => return Err(Unacceptable::Common),
            Some(Err(error)) => {
                tracing::error!(%error, "BREACHED_PASSWORDS_FILE: can't be read");
                return Err(Unacceptable::Unchecked);
            }
            None => return Err(Unacceptable::Unchecked),
        }
    }
    let password: String = password.chars().take(MAX_ESTIMATED_CHARS).collect();
    let common = words(["primetrade", "pig iron", "bill of lading"].iter().chain(&COMMON_PHRASES));
    let about = words(about.iter());
    let verdict = on_a_hashing_thread(move || {
        // Covers 30,000 leaked passwords, names and words, with repeats, keyboard rows and l33t spellings undone.
        let is_weak = |words: &[&str]| zxcvbn::zxcvbn(&password, words).guesses() < MIN_GUESSES;
        let common: Vec<&str> = common.iter().map(String::as_str).collect();
        let all: Vec<&str> = about.iter().map(String::as_str).chain(common.iter().copied()).collect();
        match (is_weak(&all), about.is_empty()) {
            (false, _) => Ok(()),
            (true, false) if !is_weak(&common) => Err(Unacceptable::Personal),
            (true, _) => Err(Unacceptable::Common),
        }
    });
    // A panic in the check must not accept a password.
    verdict.await.unwrap_or(Err(Unacceptable::Common))
}

/// The texts and their words.
fn words<'a>(texts: impl Iterator<Item = &'a &'a str>) -> Vec<String> {
    texts
        .flat_map(|text| std::iter::once((*text).to_owned()).chain(text.split(['@', '.', ' ']).map(Into::into)))
        .filter(|word| !word.is_empty())
        .collect()
}

/// The first choice of the OWASP cheat sheet: 19 MiB, 2 passes, 1 lane.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Returns the form in which passwords are compared: NFKC (SP 800-63B-4, section 3.1.1.2). Keyboards differ in how they
/// write the same characters. Longer input than any password is not hashed, so it stays as it is.
fn normalized(password: &str) -> String {
    if password.len() > MAX_LENGTH_BYTES { password.into() } else { password.nfkc().collect() }
}

/// Hashes with today's parameters and a new salt. Returns a PHC string.
pub async fn hash(password: &str) -> Option<String> {
    let password = normalized(password).into_bytes();
    on_a_hashing_thread(move || hasher().hash_password(&password).ok().map(|hash| hash.to_string())).await.flatten()
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// The password is right. The hash with today's parameters replaces the stored one.
    RightButOld(String),
    Wrong,
}

/// Verifies a password against the stored hash, or against a dummy that takes as long. Needs a place in the queue.
///
/// Hashes with other parameters take a different time. The login hides that, see [`super::login`].
pub async fn verify(_place: &Place, password: &str, stored: Option<&str>) -> Verdict {
    static DUMMY: LazyLock<Option<String>> =
        LazyLock::new(|| hasher().hash_password(b"nobody's password").ok().map(|hash| hash.to_string()));
    let password = normalized(password).into_bytes();
    let stored = stored.map(ToOwned::to_owned);
    let verdict = on_a_hashing_thread(move || {
        let known = stored.is_some();
        let Some(stored) = stored.or_else(|| DUMMY.clone()) else { return Verdict::Wrong };
        let Ok(parsed) = PasswordHash::new(&stored) else { return Verdict::Wrong };
        let fits = password.len() <= MAX_LENGTH_BYTES;
        let right = hasher().verify_password(if fits { &password } else { b"" }, &parsed).is_ok();
        if !(right && known && fits) {
            Verdict::Wrong
        } else if is_current(&parsed) {
            Verdict::Right
        } else {
            match hasher().hash_password(&password) {
                Ok(renewed) => Verdict::RightButOld(renewed.to_string()),
                Err(_) => Verdict::Right,
            }
        }
    });
    verdict.await.unwrap_or(Verdict::Wrong)
}

fn is_current(hash: &PasswordHash) -> bool {
    hash.algorithm.as_str() == "argon2id"
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|params| {
            let today = Params::DEFAULT;
            (params.m_cost(), params.t_cost(), params.p_cost()) == (today.m_cost(), today.t_cost(), today.p_cost())
        })
}

async fn on_a_hashing_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let turn = HASHING_PERMITS.acquire().await.ok()?;
    // The permit moves into the task, so a dropped handler keeps its turn until the hash is done.
    let work = move || {
        let result = work();
        drop(turn);
        result
    };
    tokio::task::spawn_blocking(work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_the_limits() {
        assert!(RULE.starts_with(&format!("{MIN_LENGTH_CHARS} to {MAX_LENGTH_CHARS} characters.")));
    }

    #[tokio::test]
    async fn the_same_characters_are_the_same_password() {
        let place = Place::take("a miller", true).expect("room");
        for (typed, again) in [
            ("Mu\u{308}hlsteine am Fluss", "Mühlsteine am Fluss"),
            ("ﬁve ﬂat bottom barges", "five flat bottom barges"),
            ("eins\u{a0}zwei\u{a0}dreizehn", "eins zwei dreizehn"),
        ] {
            let stored = hash(typed).await.expect("a hash");
            assert_eq!(verify(&place, again, Some(&stored)).await, Verdict::Right, "{typed}");
        }
        let stored = hash("Mühlsteine am Fluss").await.expect("a hash");
        assert_eq!(verify(&place, "Muhlsteine am Fluss", Some(&stored)).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn lengths_are_counted_in_characters() {
        assert_eq!(check("fourteen chars", &[], None).await, Err(Unacceptable::TooShort));
        assert_eq!(check("öüä łódź 漢字 ferry", &[], None).await, Ok(()));
        assert_eq!(check(&"correct horse battery staple ".repeat(5), &[], None).await, Err(Unacceptable::TooLong));
    }

    #[tokio::test]
    async fn common_passwords_and_their_kin_are_refused() {
        for common in [
            "passwordpassword",
            "123456789012345",
            "qwertyuiopasdfgh",
            "aaaaaaaaaaaaaaaaaaaa",
            "P@ssw0rdP@ssw0rd",
            "primetrade primetrade",
            "letmeinletmeinletmein",
            "Password1234567!",
            "1q2w3e4r5t6y7u8i9o",
            "correcthorsebatterystaple",
            "ilovemyhusband2026",
        ] {
            assert_eq!(check(common, &[], None).await, Err(Unacceptable::Common), "{common}");
        }
        let about = ["jane.doe@acme-steel.example", "Jane Doe"];
        assert_eq!(check("jane.doe@acme-steel.example", &about, None).await, Err(Unacceptable::Personal));
        assert_eq!(check("pig-iron-by-the-river-17", &about, None).await, Ok(()));
    }

    /// In release builds; zxcvbn is optimized in all of them.
    #[tokio::test]
    async fn a_long_password_costs_little_to_estimate() {
        let l33t = "4b3!0$7@1(8&9|6+".repeat(8);
        assert_eq!(l33t.chars().count(), MAX_LENGTH_CHARS);
        let begun = tokio::time::Instant::now();
        let _ = check(&l33t, &["jane.doe@acme-steel.example", "Jane Doe"], None).await;
        let took = begun.elapsed();
        println!("128 l33t characters took {took:?}");
        assert!(took < Duration::from_millis(250), "{took:?}");
    }

    #[test]
    fn the_queue_has_room_for_everyone_but_not_for_a_flood() {
        let most = PLACES_PER_THREAD * hashing_threads();
        let mut one: Vec<Place> = (0..PLACES_PER_ACCOUNT).filter_map(|_| Place::take("flooded", false).ok()).collect();
        assert_eq!(one.len(), PLACES_PER_ACCOUNT);
        assert!(Place::take("flooded", false).is_err() && Place::take("flooded", true).is_err());
        let others: Vec<Place> = (0..most).filter_map(|n| Place::take(&format!("account {n}"), false).ok()).collect();
        assert!(others.len() <= most - PLACES_PER_ACCOUNT && !others.is_empty());
        assert!(Place::take("another", false).is_err(), "the strangers' queue is full");
        assert!(Place::take("another", true).is_ok(), "and the others' is not");
        drop(others);
        one.pop();
        assert!(Place::take("flooded", false).is_ok());
    }

    #[tokio::test]
    async fn hashes_verify_and_old_ones_are_renewed() {
        let place = Place::take("somebody", true).expect("room");
        let hash = hash("a fine long password").await.expect("hashes");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(verify(&place, "a fine long password", Some(&hash)).await, Verdict::Right);
        assert_eq!(verify(&place, "another long password", Some(&hash)).await, Verdict::Wrong);
        assert_eq!(verify(&place, "nobody's password", None).await, Verdict::Wrong);
        assert_eq!(verify(&place, "x", Some("not a hash")).await, Verdict::Wrong);

        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).expect("valid"));
        let old = weak.hash_password(b"a fine long password").expect("hashes").to_string();
        let Verdict::RightButOld(renewed) = verify(&place, "a fine long password", Some(&old)).await else {
            panic!("not renewed")
        };
        assert_eq!(verify(&place, "a fine long password", Some(&renewed)).await, Verdict::Right);
        assert_eq!(verify(&place, "another", Some(&old)).await, Verdict::Wrong);
    }
}
