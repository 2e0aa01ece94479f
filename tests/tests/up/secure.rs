//! HTTPS: who is trusted, who is let in, and what outlives a restart.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube::config::Kubeconfig;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::*;

/// A certificate of 127.0.0.1 and localhost and one of another name, each with its key.
struct Given {
    folder: tempfile::TempDir,
}

impl Given {
    fn new() -> Result<Self> {
        let given = Self {
            folder: tempfile::tempdir()?,
        };
        for (file, name) in [("own", "localhost"), ("other", "example.com")] {
            let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
            let key = made.signing_key.serialized_der();
            for (end, tag, der) in [
                ("crt", "CERTIFICATE", made.cert.der().as_ref()),
                ("key", "PRIVATE KEY", key),
            ] {
                let text = pem::encode(&pem::Pem::new(tag, der));
                fs::write(given.folder.path().join(format!("{file}.{end}")), text)?;
            }
        }
        Ok(given)
    }

    fn arguments(&self, certificate: &str, key: &str) -> [String; 2] {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        [
            format!("--tls-cert-file={}", path(certificate)),
            format!("--tls-private-key-file={}", path(key)),
        ]
    }
}

fn url(summary: &Value) -> Result<&str> {
    summary["server"].as_str().context("a server")
}

/// The answer to a question that only checks the connection, in one word.
async fn asked(kubeconfig: Kubeconfig) -> Result<String> {
    Ok(
        match client_of(kubeconfig).await?.apiserver_version().await {
            Ok(version) => format!("{}.{}", version.major, version.minor),
            Err(kube::Error::Api(status)) => status.code.to_string(),
            Err(error) => format!("{error:?}"),
        },
    )
}

/// The kubeconfig, changed.
fn changed(file: &Path, change: impl Fn(&mut Kubeconfig)) -> Result<Kubeconfig> {
    let mut kubeconfig = Kubeconfig::read_from(file)?;
    change(&mut kubeconfig);
    Ok(kubeconfig)
}

#[tokio::test]
async fn others_are_served_with_https_alone_and_need_the_token_of_the_kubeconfig() -> Result<()> {
    let mut stranger = Up::start(&["--server-only", "--tls", "--output=json"], "").await?;
    let unknown = Kubeconfig::read_from(kubeconfig(&stranger.summary().await?)?)?;
    let unknown = &unknown.clusters[0].cluster;
    let unknown = unknown.as_ref().context("a cluster")?;
    for bind in ["0.0.0.0", "127.0.0.2"] {
        let bind = format!("--bind={bind}");
        let mut arguments = vec!["--server-only", &bind, "--output=json"];
        // 127.0.0.2 is a loopback address: nothing is asked for there, but what is wanted.
        let is_loopback = bind.ends_with(".2");
        if is_loopback {
            arguments.push("--tls");
        }
        let mut up = Up::start(&arguments, "").await?;
        let summary = up.summary().await?;
        let file = kubeconfig(&summary)?;
        ensure!(url(&summary)?.starts_with("https://"), "{summary}");
        assert_eq!(
            asked(Kubeconfig::read_from(&file)?).await?,
            "1.36",
            "{bind}"
        );
        let nameless = changed(&file, |kubeconfig| {
            let users = kubeconfig.auth_infos.iter_mut();
            users.for_each(|user| user.auth_info = None);
        })?;
        let expected = if is_loopback { "1.36" } else { "401" };
        assert_eq!(asked(nameless).await?, expected, "{bind}");
        let deceived = changed(&file, |kubeconfig| {
            for cluster in kubeconfig
                .clusters
                .iter_mut()
                .filter_map(|it| it.cluster.as_mut())
            {
                let authority = &mut cluster.certificate_authority_data;
                authority.clone_from(&unknown.certificate_authority_data);
            }
        })?;
        let answer = asked(deceived).await?;
        ensure!(
            answer.contains("UnknownIssuer") || answer.contains("BadSignature"),
            "{bind}: {answer}"
        );
        up.stop().await?;
    }
    stranger.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_load_comes_to_life_behind_https_too() -> Result<()> {
    let arguments = ["--nodes=1", "--pods=2", "--tls", "--output=json"];
    let mut up = Up::start(&arguments, "").await?;
    let summary = up.summary().await?;
    ensure!(url(&summary)?.starts_with("https://"), "{summary}");
    let pods = Api::<Pod>::default_namespaced(client(&kubeconfig(&summary)?).await?);
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 2);
    running(&pods, "pod-1").await?;
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn plain_http_is_told_that_this_is_https() -> Result<()> {
    let mut up = Up::start(&["--server-only", "--tls", "--output=json"], "").await?;
    let summary = up.summary().await?;
    let address = url(&summary)?.strip_prefix("https://").context("HTTPS")?;
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer)).await??;
    ensure!(
        answer.starts_with("HTTP/1.0 400 Bad Request\r\n"),
        "{answer}"
    );
    ensure!(
        answer.contains("Client sent an HTTP request to an HTTPS server."),
        "{answer}"
    );
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_kubeconfig_outlives_a_restart_with_the_data_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let data_dir = format!("--data-dir={}", data.display());
    let mut arguments = vec![
        "--server-only",
        "--bind=0.0.0.0",
        &data_dir,
        "--output=json",
    ];
    let mut up = Up::start(&arguments, "").await?;
    let summary = up.summary().await?;
    let kept = Kubeconfig::read_from(kubeconfig(&summary)?)?;
    let port = url(&summary)?.rsplit(':').next().context("a port")?;
    let port = format!("--port={port}");
    let pods = Api::<Pod>::default_namespaced(client_of(kept.clone()).await?);
    pods.create(&PostParams::default(), &pod("a")?).await?;
    up.kill().await?;

    arguments.push(&port);
    let mut up = Up::start(&arguments, "").await?;
    up.summary().await?;
    let pods = Api::<Pod>::default_namespaced(client_of(kept.clone()).await?);
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 1);
    up.stop().await?;

    let key = data.join("ca.key");
    fs::write(&key, "no key")?;
    let named = key.display().to_string();
    refused(&arguments, 1, &["--data-dir", &named, "remove"]).await?;
    // With a new CA nobody who knew the old one is deceived.
    fs::remove_file(&key)?;
    fs::remove_file(data.join("ca.crt"))?;
    let mut up = Up::start(&arguments, "").await?;
    up.summary().await?;
    let answer = asked(kept).await?;
    ensure!(
        answer.contains("BadSignature") || answer.contains("UnknownIssuer"),
        "{answer}"
    );
    up.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_given_is_served() -> Result<()> {
    let given = Given::new()?;
    // It names localhost and not 127.0.0.1, so the kubeconfig says whom to ask for.
    let [certificate, key] = given.arguments("own.crt", "own.key");
    let arguments = ["--server-only", &certificate, &key, "--output=json"];
    let mut up = Up::start(&arguments, "").await?;
    let file = kubeconfig(&up.summary().await?)?;
    assert_eq!(asked(Kubeconfig::read_from(&file)?).await?, "1.36");
    up.stop().await?;

    for (certificate, key, parts) in [
        (
            "own.crt",
            "other.key",
            [
                "--tls-cert-file",
                "own.crt",
                "other.key",
                "key that it was made with",
            ],
        ),
        (
            "own.key",
            "own.key",
            ["--tls-cert-file", "own.key", "no certificate", "PEM"],
        ),
        (
            "own.crt",
            "none.key",
            ["--tls-private-key-file", "none.key", "No such file", "PEM"],
        ),
    ] {
        let [certificate, key] = given.arguments(certificate, key);
        refused(&["--server-only", &certificate, &key], 1, &parts).await?;
    }
    Ok(())
}
