//! The file in the folder: which tables it has, how it is opened, read and written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError,
    TableDefinition, TableError, TableHandle as _,
};

use super::DataDirError;
use crate::store::Entry;

/// The file's name.
const FILE: &str = "objects.redb";
/// That of a new one, until it can be opened.
const BEGUN: &str = "objects.redb.new";
/// What a file of redb begins with.
const MAGIC: &[u8] = b"redb";
/// The format of the tables.
const FORMAT: u64 = 1;
/// Pages that are kept in memory; the objects are there already.
const CACHE: usize = 8 << 20;
/// Between collection and key.
const BETWEEN: char = '\0';

/// Objects as they are sent, by collection and key.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("stagewright/objects");
/// Numbers: those below.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("stagewright/numbers");

const NUMBER_FORMAT: &str = "format";
/// The revision of the last write.
const NUMBER_REVISION: &str = "revision";
/// How many random numbers were drawn.
const NUMBER_DRAWN: &str = "drawn";
/// Whether a process has the file, or had it when it ended.
const NUMBER_OPEN: &str = "open";

/// What is written of an object: its version, or that it is gone.
pub(crate) type Changes = BTreeMap<(Arc<str>, Arc<str>), Option<Arc<Entry>>>;

/// The open file.
#[derive(Debug)]
pub(crate) struct Objects {
    database: Database,
}

/// What was in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The revision of the last write; 0 in a new file.
    pub(crate) revision: u64,
    pub(crate) drawn: u64,
    /// Collection, key and JSON of each object.
    pub(crate) objects: Vec<(Arc<str>, Arc<str>, Bytes)>,
    /// See [`super::Opened::interrupted`].
    pub(crate) interrupted: bool,
}

// === impl Objects ===

impl Objects {
    /// Opens the folder, which is made if it is not there.
    ///
    /// # Errors
    /// See [`DataDirError`].
    pub(crate) fn open(folder: &Path) -> Result<(Self, Kept), DataDirError> {
        fs::create_dir_all(folder).map_err(io(folder))?;
        let path = folder.join(FILE);
        let opened = match fs::File::open(&path) {
            Ok(file) => {
                check_start(file, &path)?;
                Self::opened(builder().create(&path), &path)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Self::begun(folder, &path)?,
            Err(error) => return Err(io(&path)(error)),
        };
        // A new file's name outlives a crash only if its folder is on the disk too.
        let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(io(folder))?;
        Ok(opened)
    }

    /// A new file, which has its name when it is whole: a crash in between leaves nothing that could be taken for one.
    fn begun(folder: &Path, path: &Path) -> Result<(Self, Kept), DataDirError> {
        let mut others = fs::read_dir(folder).map_err(io(folder))?.flatten();
        let is_other = |name: &std::ffi::OsStr| name != BEGUN && name != "lost+found";
        if let Some(other) = others.find(|other| is_other(&other.file_name())) {
            let found = format!("it has {} and no {FILE}", other.file_name().display());
            let path = folder.into();
            return Err(DataDirError::Foreign { path, found });
        }
        let begun = folder.join(BEGUN);
        let opened = match Self::opened(builder().create(&begun), path) {
            Err(error @ (DataDirError::Locked { .. } | DataDirError::Io { .. })) => {
                return Err(error);
            }
            Err(_) => {
                fs::remove_file(&begun).map_err(io(&begun))?;
                Self::opened(builder().create(&begun), path)?
            }
            Ok(opened) => opened,
        };
        fs::rename(&begun, path).map_err(io(path))?;
        Ok(opened)
    }

    /// As [`Objects::open`], where the bytes are kept elsewhere.
    ///
    /// # Errors
    /// As there.
    #[cfg(test)]
    pub(crate) fn over(backend: impl redb::StorageBackend) -> Result<(Self, Kept), DataDirError> {
        Self::opened(builder().create_with_backend(backend), Path::new(FILE))
    }

    fn opened(
        database: Result<Database, DatabaseError>,
        path: &Path,
    ) -> Result<(Self, Kept), DataDirError> {
        let database = database.map_err(|error| open_error(error, path))?;
        let objects = Self { database };
        let kept = objects.read(path)?;
        objects
            .mark(true)
            .map_err(|error| damaged(path, &error.to_string()))?;
        Ok((objects, kept))
    }

    fn read(&self, path: &Path) -> Result<Kept, DataDirError> {
        let problem = |error: &dyn std::error::Error| damaged(path, &error.to_string());
        let read = self
            .database
            .begin_read()
            .map_err(|error| problem(&error))?;
        let numbers = match read.open_table(NUMBERS) {
            Ok(numbers) => numbers,
            Err(TableError::TableDoesNotExist(_)) => {
                let mut others = read.list_tables().map_err(|error| problem(&error))?;
                return match others.next() {
                    None => Ok(Kept::default()),
                    Some(other) => Err(DataDirError::Foreign {
                        path: path.into(),
                        found: format!("the database has a table {:?}", other.name()),
                    }),
                };
            }
            Err(error) => return Err(problem(&error)),
        };
        let number = |name: &str| -> Result<u64, DataDirError> {
            let found = numbers.get(name).map_err(|error| problem(&error))?;
            Ok(found.map_or(0, |found| found.value()))
        };
        let format = number(NUMBER_FORMAT)?;
        if format != FORMAT {
            return Err(DataDirError::OtherFormat {
                path: path.into(),
                format,
                known: FORMAT,
            });
        }
        let mut objects = Vec::new();
        let table = read.open_table(OBJECTS).map_err(|error| problem(&error))?;
        let mut last: Arc<str> = "".into();
        for row in table.iter().map_err(|error| problem(&error))? {
            let (key, json) = row.map_err(|error| problem(&error))?;
            let (collection, name) = key.value().split_once(BETWEEN).unwrap_or_default();
            if *last != *collection {
                last = collection.into();
            }
            let json = Bytes::copy_from_slice(json.value());
            objects.push((Arc::clone(&last), name.into(), json));
        }
        Ok(Kept {
            revision: number(NUMBER_REVISION)?,
            drawn: number(NUMBER_DRAWN)?,
            objects,
            interrupted: number(NUMBER_OPEN)? != 0,
        })
    }

    /// Writes these changes; they are on the disk when this returns, or none of them is.
    ///
    /// # Errors
    /// What redb says.
    pub(super) fn write(
        &self,
        changes: &Changes,
        revision: u64,
        drawn: u64,
    ) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut objects = write.open_table(OBJECTS)?;
            for ((collection, key), entry) in changes {
                let name = format!("{collection}{BETWEEN}{key}");
                match entry {
                    Some(entry) => objects.insert(name.as_str(), &**entry.json())?,
                    None => objects.remove(name.as_str())?,
                };
            }
            let mut numbers = write.open_table(NUMBERS)?;
            numbers.insert(NUMBER_REVISION, revision)?;
            numbers.insert(NUMBER_DRAWN, drawn)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Notes whether a process has the file.
    ///
    /// # Errors
    /// What redb says.
    pub(super) fn mark(&self, open: bool) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut numbers = write.open_table(NUMBERS)?;
            numbers.insert(NUMBER_FORMAT, FORMAT)?;
            numbers.insert(NUMBER_OPEN, u64::from(open))?;
            // Both tables are there from the beginning.
            write.open_table(OBJECTS)?;
        }
        write.commit()?;
        Ok(())
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> DataDirError {
    let path: super::Shown = path.into();
    move |source| {
        let path = path.clone();
        DataDirError::Io { path, source }
    }
}

/// Tells what is no file of redb before redb is asked.
fn check_start(file: fs::File, path: &Path) -> Result<(), DataDirError> {
    let mut start = Vec::new();
    let length = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
    file.take(length)
        .read_to_end(&mut start)
        .map_err(io(path))?;
    match start.as_slice() {
        MAGIC => Ok(()),
        [] => Err(damaged(path, "it is empty")),
        _ => Err(DataDirError::Foreign {
            path: path.into(),
            found: "it does not begin as a database of redb does".to_owned(),
        }),
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // All of it is read anyway, and what somebody else changed in it is found now, not in the middle of a request.
    builder
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true);
    builder
}

fn damaged(path: &Path, problem: &str) -> DataDirError {
    DataDirError::Damaged {
        path: path.into(),
        problem: problem.to_owned(),
    }
}

fn open_error(error: DatabaseError, path: &Path) -> DataDirError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            DataDirError::Locked { path: path.into() }
        }
        DatabaseError::UpgradeRequired(version) => DataDirError::Foreign {
            path: path.into(),
            found: format!("redb's own format is {version}, an old one"),
        },
        DatabaseError::Storage(StorageError::Io(source))
            if source.kind() != ErrorKind::UnexpectedEof
                && source.kind() != ErrorKind::InvalidData =>
        {
            DataDirError::Io {
                path: path.into(),
                source,
            }
        }
        error => damaged(path, &error.to_string()),
    }
}
