use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Some day in 2026.
const NOW: Time = Time(1_795_000_000_000);

#[test]
fn what_it_signs_is_trusted_now_and_not_by_others() {
    let authority = Authority::new(NOW).unwrap();
    authority.check(NOW).unwrap();
    let other = Authority::new(NOW).unwrap();
    let mixed = Authority {
        certificate: other.certificate.clone(),
        ..authority
    };
    assert!(mixed.check(NOW).is_err(), "the key is another's");
}

#[test]
fn certificates_hold_for_a_year() {
    let authority = Authority::new(NOW).unwrap();
    let identity = authority.certify(&[], NOW).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider());
    let verifier = verifier.build().unwrap();
    let holds = |name: &str, days: i64| {
        let time = since_epoch(Time(NOW.0 + days * 86_400_000));
        let time = UnixTime::since_unix_epoch(time);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier
            .verify_server_cert(&identity.chain[0], &[], &name, &[], time)
            .is_ok()
    };
    for name in ["localhost", "127.0.0.1", "::1"] {
        assert!(holds(name, 0) && holds(name, 364), "{name}");
        assert!(!holds(name, -1) && !holds(name, 366), "{name}");
    }
    assert!(!holds("example.com", 0) && !holds("127.0.0.2", 0));
}

#[test]
fn a_folder_keeps_it_for_its_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = Authority::kept(folder.path(), NOW).unwrap();
    for file in [KEY_FILE, CERTIFICATE_FILE] {
        let mode = fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let later = Time(NOW.0 + 3 * 365 * 86_400_000);
    let again = Authority::kept(folder.path(), later).unwrap();
    assert_eq!(first.pem(), again.pem());
    // Whoever trusts the first trusts what is signed years later.
    let old = Authority {
        certificate: first.certificate,
        issuer: again.issuer,
    };
    old.check(later).unwrap();
    // It ended between the two files: nobody was told of the certificate.
    fs::remove_file(folder.path().join(CERTIFICATE_FILE)).unwrap();
    Authority::kept(folder.path(), NOW).unwrap();
}

#[test]
fn what_cannot_be_used_is_named_with_the_remedy() {
    let other = Authority::new(NOW).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    Authority::kept(folder.path(), NOW).unwrap();
    let key = fs::read_to_string(path(KEY_FILE)).unwrap();
    let pem = fs::read_to_string(path(CERTIFICATE_FILE)).unwrap();
    for (certificate, key, named) in [
        (Some("none"), Some(&*key), CERTIFICATE_FILE),
        (Some(&*pem), Some("none"), KEY_FILE),
        (Some(&*pem), None, KEY_FILE),
        (Some(&*other.pem()), Some(&*key), CERTIFICATE_FILE),
    ] {
        for (file, text) in [(CERTIFICATE_FILE, certificate), (KEY_FILE, key)] {
            let _ = fs::remove_file(path(file));
            if let Some(text) = text {
                fs::write(path(file), text).unwrap();
            }
        }
        let error = Authority::kept(folder.path(), NOW).err().unwrap();
        let error = error.to_string();
        let named = path(named).display().to_string();
        for part in ["--data-dir", &named, "remove ca.crt and ca.key"] {
            assert!(error.contains(part), "no {part} in {error}");
        }
    }
    fs::remove_file(path(KEY_FILE)).unwrap();
    fs::create_dir(path(KEY_FILE)).unwrap();
    let error = Authority::kept(folder.path(), NOW).err().unwrap();
    assert!(
        error.to_string().contains("let this user read it"),
        "{error}"
    );
}

#[test]
fn a_token_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let token = |made: &str| {
        let made = made.to_owned();
        kept_token(folder.path(), || Ok(made))
    };
    assert_eq!(token("one").unwrap(), "one");
    assert_eq!(token("other").unwrap(), "one");
    let file = folder.path().join(TOKEN_FILE);
    fs::write(&file, "mine\n").unwrap();
    assert_eq!(token("other").unwrap(), "mine");
    fs::write(&file, "\n").unwrap();
    let error = token("other").unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
}
