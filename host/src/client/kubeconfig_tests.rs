use super::*;

const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: local, user: me}}
- {name: lost, context: {cluster: nowhere, user: me}}
clusters:
- {name: local, cluster: {server: 'https://127.0.0.1:6443'}}
- {name: bare, cluster: {}}
users:
- {name: me, user: {token: t}}
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn nowhere() -> Surroundings {
    Surroundings {
        kubeconfig: Vec::new(),
        home: None,
        in_cluster: false,
    }
}

async fn server(args: &ClientArgs, around: &Surroundings) -> Result<String, String> {
    locate(args, around)
        .await
        .map(|found| found.config.cluster_url.to_string())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_flag_wins_and_is_never_passed_over() {
    let folder = folder(&[("good", GOOD)]);
    let mut args = ClientArgs {
        kubeconfig: Some(folder.path().join("good")),
        ..ClientArgs::default()
    };
    assert_eq!(
        server(&args, &nowhere()).await.unwrap(),
        "https://127.0.0.1:6443/"
    );
    args.kubeconfig = Some(folder.path().join("missing"));
    let around = Surroundings {
        home: Some(folder.path().join("good")),
        in_cluster: true,
        ..nowhere()
    };
    let error = server(&args, &around).await.unwrap_err();
    assert!(
        error.contains("--kubeconfig") && error.contains("missing"),
        "{error}"
    );
}

#[tokio::test]
async fn of_the_variables_files_some_may_be_missing_but_not_all() {
    let folder = folder(&[("good", GOOD)]);
    let [good, missing] = ["good", "missing"].map(|name| folder.path().join(name));
    let around = Surroundings {
        kubeconfig: vec![missing.clone(), good.clone()],
        ..nowhere()
    };
    assert!(server(&ClientArgs::default(), &around).await.is_ok());
    let around = Surroundings {
        kubeconfig: vec![missing],
        home: Some(good),
        in_cluster: true,
    };
    let error = server(&ClientArgs::default(), &around).await.unwrap_err();
    assert!(
        error.contains("$KUBECONFIG") && error.contains("missing"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_named() {
    let folder = folder(&[("good", GOOD), ("list", "- a\n"), ("empty", "")]);
    let set = |name: &str, change: &dyn Fn(&mut ClientArgs)| {
        let mut args = ClientArgs {
            kubeconfig: Some(folder.path().join(name)),
            ..ClientArgs::default()
        };
        change(&mut args);
        args
    };
    for (args, parts) in [
        (set("list", &|_| {}), ["list", "is no kubeconfig"]),
        (set("empty", &|_| {}), ["current-context", "--context"]),
        (
            set("good", &|args| args.context = Some("two".into())),
            ["contexts has no \"two\"", "\"one\""],
        ),
        (
            set("good", &|args| args.context = Some("lost".into())),
            ["clusters has no \"nowhere\"", "--cluster"],
        ),
        (
            set("good", &|args| args.cluster = Some("bare".into())),
            ["server", "--master"],
        ),
        (
            set("good", &|args| args.user = Some("you".into())),
            ["users has no \"you\"", "--user"],
        ),
    ] {
        let error = server(&args, &nowhere()).await.unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let args = ClientArgs {
        context: Some("one".into()),
        ..ClientArgs::default()
    };
    let error = server(
        &args,
        &Surroundings {
            in_cluster: true,
            ..nowhere()
        },
    )
    .await
    .unwrap_err();
    assert!(error.contains("--context"), "{error}");
    // In a pod, --master is another server for the same service account.
    let around = Surroundings {
        in_cluster: true,
        ..nowhere()
    };
    let args = ClientArgs {
        master: Some("https://10.0.0.1:6443".into()),
        ..ClientArgs::default()
    };
    let error = server(&args, &around).await.unwrap_err();
    assert!(error.contains("in-cluster configuration"), "{error}");
    assert!(server(&args, &nowhere()).await.is_ok());
    let error = server(&ClientArgs::default(), &nowhere())
        .await
        .unwrap_err();
    assert!(error.contains("KUBECONFIG is not set"), "{error}");
}

#[test]
fn urls_of_servers() {
    for url in [
        "https://10.0.0.1:6443",
        "http://localhost:8080",
        "localhost:8080",
    ] {
        assert!(parse_url(url).is_ok(), "{url}");
    }
    for url in ["", "ftp://a", "https://", "a b"] {
        assert!(parse_url(url).is_err(), "{url}");
    }
}
