//! The cache folder: what is known of adapters, kept between runs.

use std::path::PathBuf;

/// `$ITOP_CACHE`, or the user's cache folder.
pub fn folder() -> PathBuf {
    let folder = std::env::var_os("ITOP_CACHE").map(PathBuf::from);
    let folder = folder.or_else(|| dirs::cache_dir().map(|cache| cache.join("itop")));
    folder.unwrap_or_else(|| PathBuf::from(".itop-cache"))
}
