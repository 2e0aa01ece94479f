//! Where the cluster's address and credentials come from.
//!
//! kubectl's order: the file of `--kubeconfig`; the files of `$KUBECONFIG`, of which some may be missing; `~/.kube/config`; the
//! pod's service account. What was asked for by flag or variable is used or refused, never passed over.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::ConnectError;
use crate::args::ClientArgs;

/// A configuration, and where it is from.
pub(super) struct Found {
    pub config: Config,
    pub origin: String,
}

/// What the rules look at beside the arguments.
struct Surroundings {
    kubeconfig: Vec<PathBuf>,
    home: Option<PathBuf>,
    in_cluster: bool,
}

impl Surroundings {
    fn read() -> Self {
        let listed = env::var_os("KUBECONFIG").unwrap_or_default();
        Self {
            kubeconfig: env::split_paths(&listed)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
            home: env::home_dir().map(|home| home.join(".kube/config")),
            in_cluster: env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

pub(super) async fn find(args: &ClientArgs) -> Result<Found, ConnectError> {
    let mut found = locate(args, &Surroundings::read()).await?;
    if let Some(user) = &args.impersonate {
        found.config.auth_info.impersonate = Some(user.clone());
    }
    if !args.impersonate_groups.is_empty() {
        found.config.auth_info.impersonate_groups = Some(args.impersonate_groups.clone());
    }
    if let Some(url) = &args.master {
        found.config.cluster_url = parse_url(url)?;
    }
    Ok(found)
}

async fn locate(args: &ClientArgs, around: &Surroundings) -> Result<Found, ConnectError> {
    if args.service_account {
        return in_cluster();
    }
    if let Some(path) = &args.kubeconfig {
        let kubeconfig = read("--kubeconfig", path)?;
        return choose(kubeconfig, path.display().to_string(), args).await;
    }
    if !around.kubeconfig.is_empty() {
        let kubeconfig = read_listed(&around.kubeconfig)?;
        let names: Vec<String> = around
            .kubeconfig
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return choose(
            kubeconfig,
            format!("$KUBECONFIG ({})", names.join(", ")),
            args,
        )
        .await;
    }
    if let Some(path) = around.home.as_deref().filter(|path| path.exists()) {
        return choose(
            read("the default kubeconfig", path)?,
            path.display().to_string(),
            args,
        )
        .await;
    }
    let asked = [
        (&args.context, "--context"),
        (&args.cluster, "--cluster"),
        (&args.user, "--user"),
    ];
    if let Some((_, flag)) = asked.iter().find(|(value, _)| value.is_some()) {
        return Err(ConnectError::NoCluster(format!(
            "{flag} names an entry of a kubeconfig, and there is none"
        )));
    }
    // With --master too: its server is another then, and the pod's token stays.
    if around.in_cluster {
        return in_cluster();
    }
    if let Some(url) = &args.master {
        return Ok(Found {
            config: Config::new(parse_url(url)?),
            origin: "--master".to_owned(),
        });
    }
    let home = around.home.as_ref().map_or_else(
        || "~/.kube/config".to_owned(),
        |path| path.display().to_string(),
    );
    Err(ConnectError::NoCluster(format!(
        "KUBECONFIG is not set, {home} does not exist, and this is no pod"
    )))
}

fn in_cluster() -> Result<Found, ConnectError> {
    let config = Config::incluster().map_err(ConnectError::InCluster)?;
    Ok(Found {
        config,
        origin: "service account".to_owned(),
    })
}

fn read(origin: &'static str, path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|error| match error {
        KubeconfigError::ReadConfig(source, path) => ConnectError::Unreadable {
            origin,
            path,
            source,
        },
        other => ConnectError::Malformed {
            origin,
            path: path.to_owned(),
            message: other.to_string(),
        },
    })
}

/// The files in order, the first to name something wins; a missing one is passed over as long as another exists.
fn read_listed(paths: &[PathBuf]) -> Result<Kubeconfig, ConnectError> {
    let mut merged: Option<Kubeconfig> = None;
    let mut missing = None;
    for path in paths {
        let next = match read("$KUBECONFIG", path) {
            Ok(next) => next,
            Err(ConnectError::Unreadable { source, .. })
                if source.kind() == ErrorKind::NotFound =>
            {
                missing.get_or_insert((path, source));
                continue;
            }
            Err(error) => return Err(error),
        };
        let error = |error: KubeconfigError| ConnectError::Malformed {
            origin: "$KUBECONFIG",
            path: path.clone(),
            message: error.to_string(),
        };
        merged = Some(match merged {
            Some(merged) => merged.merge(next).map_err(error)?,
            None => next,
        });
    }
    match (merged, missing) {
        (Some(merged), _) => Ok(merged),
        (None, Some((path, source))) => Err(ConnectError::Unreadable {
            origin: "$KUBECONFIG",
            path: path.clone(),
            source,
        }),
        (None, None) => Ok(Kubeconfig::default()),
    }
}

/// The context that was asked for, or the current one.
async fn choose(
    kubeconfig: Kubeconfig,
    origin: String,
    args: &ClientArgs,
) -> Result<Found, ConnectError> {
    let contexts: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let field = |field, problem| ConnectError::Field {
        origin: origin.clone(),
        field,
        problem,
    };
    if let Some(user) = args.user.as_ref().filter(|user| {
        !kubeconfig
            .auth_infos
            .iter()
            .any(|known| known.name == **user)
    }) {
        return Err(field(
            "users",
            format!("has no {user:?}, which --user asks for"),
        ));
    }
    if let Some(user) = unknown_user(&kubeconfig, args) {
        return Err(field(
            "users",
            format!("has no {user:?}, which the context names; correct it, or give --user"),
        ));
    }
    let from_file = kubeconfig.clusters.iter().any(|cluster| {
        cluster.cluster.as_ref().is_some_and(|cluster| {
            cluster
                .proxy_url
                .as_ref()
                .is_some_and(|url| !url.is_empty())
        })
    });
    let options = KubeConfigOptions {
        context: args.context.clone(),
        cluster: args.cluster.clone(),
        user: args.user.clone(),
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| match error {
            KubeconfigError::CurrentContextNotSet => field(
                "current-context",
                format!("is not set; give --context, one of {contexts:?}"),
            ),
            KubeconfigError::LoadContext(name) => field(
                "contexts",
                format!("has no {name:?}; give --context, one of {contexts:?}"),
            ),
            KubeconfigError::LoadClusterOfContext(name) => field(
                "clusters",
                format!("has no {name:?}; correct the context, or give --cluster"),
            ),
            KubeconfigError::MissingClusterUrl => field(
                "server",
                "of the cluster is missing; give --master URL".to_owned(),
            ),
            KubeconfigError::ParseClusterUrl(error) => {
                field("server", format!("of the cluster is no URL: {error}"))
            }
            KubeconfigError::LoadCertificateAuthority(error) => {
                field("certificate-authority", error.to_string())
            }
            KubeconfigError::ParseCertificates(error) => {
                field("certificate-authority", error.to_string())
            }
            KubeconfigError::LoadClientCertificate(error) => {
                field("client-certificate", error.to_string())
            }
            KubeconfigError::LoadClientKey(error) => field("client-key", error.to_string()),
            other => ConnectError::Credentials {
                origin: origin.clone(),
                message: other.to_string(),
            },
        })?;
    if !from_file && config.proxy_url.take().is_some() {
        tracing::warn!("$HTTPS_PROXY is not used: the API server is asked directly");
    }
    Ok(Found { config, origin })
}

/// The chosen context's user, if there is no such entry. Without this check we would ask as nobody, as kubectl does not.
fn unknown_user(kubeconfig: &Kubeconfig, args: &ClientArgs) -> Option<String> {
    let name = args
        .context
        .as_ref()
        .or(kubeconfig.current_context.as_ref())?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|context| context.name == *name)?;
    let user = context
        .context
        .as_ref()?
        .user
        .clone()
        .filter(|user| !user.is_empty() && args.user.is_none())?;
    let known = kubeconfig.auth_infos.iter().any(|info| info.name == user);
    (!known).then_some(user)
}

fn parse_url(url: &str) -> Result<http::Uri, ConnectError> {
    let error = || ConnectError::Url {
        url: url.to_owned(),
    };
    // kubectl takes HOST:PORT for plain HTTP.
    let whole = if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
    };
    let uri: http::Uri = whole.parse().map_err(|_| error())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if known && uri.host().is_some_and(|host| !host.is_empty()) {
        Ok(uri)
    } else {
        Err(error())
    }
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
