use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn access(url: &str, token: Option<&str>) -> Access {
    Access {
        url: url.to_owned(),
        token: token.map(str::to_owned),
        ..Access::default()
    }
}

fn read(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_file_of_its_own_is_the_users_alone_and_goes_with_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/folder/kubeconfig");
    let published = Published::write(
        Some(&file),
        false,
        1,
        access("http://127.0.0.1:1", Some("t")),
    )
    .unwrap();
    let config = read(&file);
    assert_eq!(config["current-context"], NAME);
    assert_eq!(
        config["clusters"][0]["cluster"],
        json!({"server": "http://127.0.0.1:1"})
    );
    assert_eq!(config["users"][0]["user"], json!({"token": "t"}));
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    published.withdraw();
    assert!(!file.exists());
}

#[test]
fn what_somebody_else_wrote_there_since_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let published =
        Published::write(Some(&file), false, 1, access("http://127.0.0.1:1", None)).unwrap();
    fs::write(&file, "mine").unwrap();
    published.withdraw();
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn an_unwritable_file_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("file");
    fs::write(&taken, "").unwrap();
    let file = taken.join("kubeconfig");
    let error = Published::write(Some(&file), false, 1, access("http://x", None))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(file.to_str().unwrap()) && error.contains("--kubeconfig"),
        "{error}"
    );
}

const OTHERS: &str = "apiVersion: v1
kind: Config
current-context: work
clusters:
- {name: work, cluster: {server: 'https://work:6443', tls-server-name: w}}
- {name: stagewright, cluster: {server: 'http://127.0.0.1:9'}}
contexts:
- {name: work, context: {cluster: work, user: me, namespace: mine}}
users:
- {name: me, user: {exec: {command: login, args: ['--now', '1']}}}
";

#[test]
fn a_context_is_merged_and_taken_out_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    fs::write(&file, OTHERS).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let before = read(&file);
    let merged = merge_into(link.clone(), &access("http://127.0.0.1:1", Some("t"))).unwrap();
    let config = read(&file);
    assert_eq!(config["current-context"], NAME);
    assert_eq!(
        config["clusters"].as_array().unwrap().len(),
        2,
        "the old one was replaced"
    );
    assert_eq!(config["clusters"][0], before["clusters"][0]);
    assert_eq!(config["users"][0], before["users"][0]);
    assert_eq!(config["users"][1]["user"]["token"], "t");
    assert!(link.is_symlink());
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
    change(&file, |config| merged.remove_from(config)).unwrap();
    let config = read(&file);
    assert_eq!(config["current-context"], "work");
    for list in ["contexts", "users"] {
        assert_eq!(config[list], before[list], "{list}");
    }
    assert_eq!(config["clusters"].as_array().unwrap().len(), 1);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        2,
        "neither lock nor half a file is left"
    );
}

#[test]
fn a_context_that_is_another_clusters_by_now_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let first = merge_into(file.clone(), &access("http://127.0.0.1:1", None)).unwrap();
    merge_into(file.clone(), &access("http://127.0.0.1:2", None)).unwrap();
    change(&file, |config| first.remove_from(config)).unwrap();
    assert_eq!(read(&file)["current-context"], NAME);
}

#[test]
fn what_is_no_kubeconfig_or_locked_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    for (text, part) in [("- a\n- b\n", "no kubeconfig"), ("{]", "no kubeconfig")] {
        fs::write(&file, text).unwrap();
        let error = merge_into(file.clone(), &access("http://x", None))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--merge-kubeconfig") && error.contains(part),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    fs::write(&file, OTHERS).unwrap();
    fs::write(folder.path().join("config.lock"), "").unwrap();
    let error = merge_into(file.clone(), &access("http://x", None))
        .unwrap_err()
        .to_string();
    assert!(error.contains("config.lock"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), OTHERS);
}

#[test]
fn it_is_merged_where_kubectl_would_write() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, there) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&there, "").unwrap();
    let home = Some(Path::new("/home/me"));
    let target = |listed: &[&PathBuf]| {
        merge_target(listed.iter().map(|&path| path.clone()).collect(), home).unwrap()
    };
    assert_eq!(target(&[&missing, &there, &missing]), there);
    let other = folder.path().join("c");
    assert_eq!(target(&[&missing, &other]), other);
    assert_eq!(target(&[]), Path::new("/home/me/.kube/config"));
}

#[test]
fn a_shell_takes_any_file_as_one_word() {
    let home = Path::new("/home/me");
    for (file, expected) in [
        (
            "/home/me/.stagewright/config",
            r#""$HOME/.stagewright/config""#,
        ),
        ("/home/me/a folder/config", r#""$HOME/a folder/config""#),
        ("/home/me/a$b", "'/home/me/a$b'"),
        ("/home/me/a\"b", "'/home/me/a\"b'"),
        ("/home/me/a!b", "'/home/me/a!b'"),
        ("/tmp/config-1", "/tmp/config-1"),
        ("/tmp/a folder/config", "'/tmp/a folder/config'"),
        ("/tmp/it's", r"'/tmp/it'\''s'"),
    ] {
        assert_eq!(shell_word(Path::new(file), Some(home)), expected);
        // The shell itself takes it as it was.
        let printed = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {expected}")])
            .env("HOME", home)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&printed.stdout), file);
    }
}
