//! doctor placeholder
/// x
pub async fn preflight<E: crate::engine::Engine>(
    _: &E,
    _: &crate::engine::EngineInfo,
    _: usize,
) -> crate::error::Result<Vec<String>> {
    Ok(vec![])
}
