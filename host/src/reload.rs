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

/// What a file is known by without reading it.
type Stamp = (u64, u64, u64, i64, i64);

/// A file, and the plugin in its place of the row.
struct Followed {
    path: PathBuf,
    place: usize,
    /// The stamp of what was taken in or refused last.
    known: Option<Stamp>,
    /// The stamp at the last look.
    seen: Option<Stamp>,
    /// Whether it was told that it cannot be looked at.
    missed: bool,
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
            known: None,
            seen: None,
            missed: false,
        }
    }

    async fn look(&mut self, plugins: &watch::Sender<Vec<Arc<Plugin>>>, metrics: &Metrics) {
        let Some(stamp) = self.stamp().await else {
            return;
        };
        let before = self.seen.replace(stamp);
        // Who copies a file there is let finish.
        if self.known == Some(stamp) || before != Some(stamp) {
            return;
        }
        self.known = Some(stamp);
        let Some(decides) = plugins.borrow().get(self.place).cloned() else {
            return;
        };
        match renewed(Arc::clone(&decides), &self.path).await {
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

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok((
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    ))
}

/// Compiling takes seconds, so it is not for the I/O threads.
async fn renewed(plugin: Arc<Plugin>, path: &Path) -> Result<Option<Plugin>, LoadError> {
    let source = Source::File(path.to_owned());
    let name = source.to_string();
    let renewed = tokio::task::spawn_blocking(move || plugin.renewed(&source)).await;
    renewed.unwrap_or_else(|broke| {
        Err(LoadError::Unreadable {
            plugin: name,
            message: broke.to_string(),
        })
    })
}
