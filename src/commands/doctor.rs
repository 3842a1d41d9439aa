//! doctor placeholder
use super::Session;
use crate::cli::args::Doctor;
use crate::error::Result;
/// x
pub async fn run(_: &Session, _: Doctor) -> Result<()> {
    Ok(())
}
/// x
pub async fn mend(_: &Session) -> Result<()> {
    Ok(())
}
