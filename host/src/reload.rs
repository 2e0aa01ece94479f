//! Plugin files, looked at while the host runs: when one holds another version, that is compiled and configured beside the one that
//! decides, and takes its place. One that cannot be loaded is told of, and changes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::loading::Renewed;
use crate::observe::Metrics;
use crate::plugin::{LoadError, Plugin, Source};

/// Between two looks at the files. A file system need not tell of changes (a network's, or a volume that a kubelet swaps beneath a
/// link), so they are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What a file is known by without reading it: device, inode, size, and when its content and its inode were changed. The last tells of
/// other rights, and of a copy that took the original's time along.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// A file, and the plugin in its place of the row.
struct Followed {
    path: PathBuf,
    place: usize,
    looks: Looks,
    /// Whether it was told that it cannot be looked at.
    missed: bool,
}

/// What is known of a file, by its stamps.
#[derive(Default)]
struct Looks {
    /// What was taken in or refused last.
    known: Option<Stamp>,
    /// At the last look.
    seen: Option<Stamp>,
    /// What was told last that it cannot be read.
    unread: Option<Stamp>,
}

/// The plugins, the first of which come from these files, and what keeps them as the files are for as long as it is polled.
pub(crate) fn follow(
    plugins: Vec<Arc<Plugin>>,
    files: Vec<PathBuf>,
    metrics: Arc<Metrics>,
) -> (Renewed, impl Future<Output = ()>) {
    let (sender, renewed) = watch::channel(plugins);
    let following = async move {
        let files = files.into_iter().enumerate();
        let mut files: Vec<Followed> = files
            .map(|(place, path)| Followed::new(place, path))
            .collect();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !files.is_empty() {
            looks.tick().await;
            for file in &mut files {
                file.look(&sender, &metrics).await;
            }
        }
    };
    (renewed, following)
}

// === impl Followed ===

impl Followed {
    fn new(place: usize, path: PathBuf) -> Self {
        Self {
            path,
            place,
            looks: Looks::default(),
            missed: false,
        }
    }

    async fn look(&mut self, plugins: &watch::Sender<Vec<Arc<Plugin>>>, metrics: &Metrics) {
        let Some(stamp) = self.stamp().await else {
            return;
        };
        if !self.looks.is_to_be_tried(stamp) {
            return;
        }
        let Some(decides) = plugins.borrow().get(self.place).cloned() else {
            return;
        };
        let renewed = renewed(Arc::clone(&decides), &self.path).await;
        let is_unreadable = matches!(renewed, Err(LoadError::Unreadable { .. }));
        let is_told = self.looks.tried(stamp, is_unreadable);
        match renewed {
            Ok(None) => {}
            Ok(Some(next)) => {
                tracing::info!(plugin = next.name(), version = next.version(), digest = next.digest(),
                    before = decides.version(), digest_before = decides.digest(), source = %self.path.display(), "plugin renewed");
                metrics.renewed(next.name(), "Renewed");
                plugins.send_modify(|plugins| {
                    if let Some(place) = plugins.get_mut(self.place) {
                        *place = Arc::new(next);
                    }
                });
            }
            Err(_) if !is_told => {}
            Err(error) => {
                tracing::warn!(plugin = decides.name(), version = decides.version(), reason = error.category(), %error,
                    "the newer version is refused; the one before decides");
                metrics.renewed(decides.name(), error.category());
            }
        }
    }

    /// None, told once, if there is no file now.
    async fn stamp(&mut self) -> Option<Stamp> {
        let path = self.path.clone();
        // A network's file system may let one wait.
        let found = tokio::task::spawn_blocking(move || stamp(&path)).await;
        let found = found.unwrap_or_else(|broke| Err(io::Error::other(broke)));
        if let (Err(error), false) = (&found, self.missed) {
            tracing::warn!(source = %self.path.display(), %error, "the plugin's file cannot be looked at; the version that is loaded decides");
        }
        self.missed = found.is_err();
        found.ok()
    }
}

// === impl Looks ===

impl Looks {
    /// Whether the file may hold something new. Who copies a file there is let finish: it has to be as at the last look.
    fn is_to_be_tried(&mut self, stamp: Stamp) -> bool {
        let before = self.seen.replace(stamp);
        self.known != Some(stamp) && before == Some(stamp)
    }

    /// It was tried; true if what came of it is to be told. What cannot be read is tried at each look, and told once.
    fn tried(&mut self, stamp: Stamp, is_unreadable: bool) -> bool {
        if is_unreadable {
            self.unread.replace(stamp) != Some(stamp)
        } else {
            self.known = Some(stamp);
            true
        }
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok((
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
    ))
}

/// Compiling takes seconds, so it is not for the I/O threads.
async fn renewed(plugin: Arc<Plugin>, path: &Path) -> Result<Option<Plugin>, LoadError> {
    let source = Source::File(path.to_owned());
    let name = source.to_string();
    let renewed = tokio::task::spawn_blocking(move || plugin.renewed(&source)).await;
    renewed.unwrap_or_else(|broke| {
        Err(LoadError::Panicked {
            plugin: name,
            message: broke.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_tried_at_each_look_and_told_once_a_change() {
        let [first, second] = [1, 2].map(|inode| (1, inode, 3, (4, 5), (6, 7)));
        let mut looks = Looks::default();
        assert!(!looks.is_to_be_tried(first));
        assert!(looks.is_to_be_tried(first));
        assert!(looks.tried(first, true));
        assert!(looks.is_to_be_tried(first));
        assert!(!looks.tried(first, true));
        assert!(!looks.is_to_be_tried(second));
        assert!(looks.is_to_be_tried(second));
        assert!(looks.tried(second, true));
        assert!(looks.is_to_be_tried(second));
        assert!(looks.tried(second, false));
        assert!(!looks.is_to_be_tried(second));
    }

    #[test]
    fn other_rights_and_a_copy_with_the_time_of_its_original_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        fs::write(&path, "one").unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        // A file system that tells times in ticks of its own gives the change another time a tick later.
        let changed = |change: &dyn Fn()| {
            let before = stamp(&path).unwrap();
            for _ in 0..1_000_000 {
                change();
                if stamp(&path).unwrap() != before {
                    return true;
                }
            }
            false
        };
        for mode in [0o600, 0o644] {
            let rights = fs::Permissions::from_mode(mode);
            assert!(changed(
                &|| fs::set_permissions(&path, rights.clone()).unwrap()
            ));
        }
        assert!(changed(&|| {
            fs::write(&path, "two").unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(written).unwrap();
        }));
    }
}
