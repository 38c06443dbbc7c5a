//! The data of a run, and what the run keeps of it: found again when it goes on, and compared.

use std::path::Path;

use crate::data::{self, DataError, Dataset, Record, Source};
use crate::train::run_folder::RunFolder;
use crate::train::{Config, Listener, SessionError};

/// What a run trains on.
pub struct RunData {
    pub dataset: Dataset,
    /// What its folder keeps of it.
    pub(in crate::train) record: Record,
}

impl RunData {
    /// The images in `dataset`, of which `config` holds some out.
    ///
    /// # Errors
    /// When `validation` is no share.
    pub fn of(dataset: Dataset, config: &Config) -> Result<Self, DataError> {
        let record = Record::of(&dataset, config.validation)?;
        Ok(Self { dataset, record })
    }

    /// Loads the data of a new run.
    pub(in crate::train) fn load(config: &Config) -> Result<Self, DataError> {
        let data = Self::of(config.source().load()?, config)?;
        let record = Record { root: data::root_of(&config.data), ..data.record };
        Ok(Self { record, ..data })
    }

    /// The data of the run in `folder`, by `config`, found again: the very images and classes that it began with. `elsewhere`
    /// is the command with another `--data`.
    pub(in crate::train) fn load_again(
        folder: &Path,
        config: &Config,
        elsewhere: &str,
        listener: &mut dyn Listener,
    ) -> Result<Self, SessionError> {
        let kept = RunFolder::read_data(folder)?;
        let root = kept.as_ref().and_then(|kept| kept.root.as_deref());
        let not_found = |error| SessionError::NoData { error, elsewhere: elsewhere.into() };
        let mut found = Self::of(Source { root, ..config.source() }.load().map_err(not_found)?, config)?;
        let Some(kept) = kept else {
            listener.warning(&format!(
                "`{}` was begun by an older version, which kept nothing of its data: nobody can tell whether `{}` is still the same",
                folder.display(),
                config.data
            ));
            return Ok(found);
        };
        let differences = kept.differences(&found.record);
        if !differences.is_empty() {
            return Err(SessionError::OtherData {
                data: config.data.clone(),
                run: folder.into(),
                differences: differences.join("; "),
                elsewhere: elsewhere.into(),
            });
        }
        // The network knows pixels as they were normalised then.
        (found.dataset.mean, found.dataset.std) = (kept.mean.clone(), kept.std.clone());
        Ok(Self { record: kept, ..found })
    }

    /// Fails if the run in `folder` has other images, though both are to be compared.
    pub fn check_alike(&self, folder: &Path) -> Result<(), SessionError> {
        let Some(other) = RunFolder::read_data(folder)? else { return Ok(()) };
        let differences = other.image_differences(&self.record);
        match differences.is_empty() {
            true => Ok(()),
            false => Err(SessionError::ChangedData { run: folder.into(), differences: differences.join("; ") }),
        }
    }
}
