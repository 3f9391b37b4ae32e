//! `primetrade audit keygen` and `primetrade audit key`

use clap::Args;
use rand::TryRngCore as _;

use crate::cli::Failure;
use crate::config::{Config, SealKey};

#[derive(Args)]
pub struct Arguments {
    /// The name of the log, without spaces or plus signs, such as portal.example.com/audit. Every checkpoint begins
    /// with it
    #[arg(long, default_value = "primetrade/audit")]
    name: String,
}

pub fn generate(Arguments { name }: &Arguments) -> Result<(), Failure> {
    let mut seed = [0; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut seed).map_err(Failure::problem)?;
    let key = SealKey::from_seed(name, &seed).ok_or_else(|| {
        Failure::Usage(format!("--name: found {name:?}, allowed is a name without spaces or plus signs"))
    })?;
    println!("SEAL_KEY={}", key.encode(&seed));
    eprintln!("Keep this key secret, and back it up. Auditors verify with:");
    eprintln!("{}", key.verifier());
    Ok(())
}

pub fn show(config: &Config) -> Result<(), Failure> {
    let keys = config.seal_keys(config.secret_key.as_ref());
    let key = keys
        .signs
        .ok_or_else(|| Failure::Usage("SEAL_KEY: not set, nor SECRET_KEY, which it would be derived from".into()))?;
    println!("{}", key.verifier());
    Ok(())
}
