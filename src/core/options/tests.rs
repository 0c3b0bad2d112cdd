//! Tests of the options: precedence, ranges, malformed variables.

use super::*;

fn resolve(
    args: OptionArgs,
    variables: &[(&str, &str)],
) -> (Result<Options, ConfigError>, Vec<String>) {
    let env = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let mut warnings = Vec::new();
    let options = Options::resolve(args, &env, &mut warnings);
    (options, warnings)
}

fn refused(args: OptionArgs) -> &'static str {
    resolve(args, &[]).0.unwrap_err().parameter
}

#[test]
fn nothing_given_is_the_default() {
    let blank = [
        ("SENTRIAL_TIMEOUT", " "),
        ("SENTRIAL_SPOOL", ""),
        ("SENTRIAL_SPOOL_DIR", ""),
    ];
    let (options, warnings) = resolve(OptionArgs::default(), &blank);
    assert_eq!(options.unwrap(), Options::default());
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn an_argument_beats_the_environment_beats_the_default() {
    let variables = [
        ("SENTRIAL_TIMEOUT", " 7.5\n"),
        ("SENTRIAL_MAX_RETRIES", "9"),
        ("SENTRIAL_WAIT_TIMEOUT", "0"),
        ("SENTRIAL_SHUTDOWN_TIMEOUT", "3"),
        ("SENTRIAL_SHUTDOWN_MAX", "4"),
        ("SENTRIAL_ALLOW_HTTP", "Yes"),
        ("SENTRIAL_SPOOL", "DURABLE"),
        ("SENTRIAL_SPOOL_DIR", "/env"),
        ("SENTRIAL_PROJECT_ID", "p"),
        ("REQUESTS_CA_BUNDLE", "/requests.pem"),
    ];
    let (options, warnings) = resolve(OptionArgs::default(), &variables);
    let options = options.unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(options.timeout, Duration::from_millis(7500));
    assert_eq!(options.max_retries, 9);
    assert_eq!(options.wait_timeout, Duration::ZERO);
    assert_eq!(options.shutdown_timeout, Duration::from_secs(3));
    assert_eq!(options.shutdown_max, Duration::from_secs(4));
    assert!(options.allow_http);
    assert_eq!(options.spool, SpoolMode::Durable);
    assert_eq!(options.spool_places.chosen, Some(PathBuf::from("/env")));
    assert_eq!(options.project_id.as_deref(), Some("p"));
    assert_eq!(options.ca_file, Some(PathBuf::from("/requests.pem")));

    let args = OptionArgs {
        timeout: Some(1.0),
        max_retries: Some(0),
        allow_http: Some(false),
        spool: Some("off".into()),
        spool_dir: Some("/argument".into()),
        ca_file: Some("/argument.pem".into()),
        project_id: Some("q".into()),
        ..OptionArgs::default()
    };
    let options = resolve(args, &variables).0.unwrap();
    assert_eq!(options.timeout, Duration::from_secs(1));
    assert_eq!(options.max_retries, 0);
    assert!(!options.allow_http);
    assert_eq!(options.spool, SpoolMode::Off);
    assert_eq!(
        options.spool_places.chosen,
        Some(PathBuf::from("/argument"))
    );
    assert_eq!(options.ca_file, Some(PathBuf::from("/argument.pem")));
    assert_eq!(options.project_id.as_deref(), Some("q"));
}

#[test]
fn arguments_out_of_range_name_the_parameter() {
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let mut args = [const { None }; 4];
        for (position, name) in [
            "timeout",
            "wait_timeout",
            "shutdown_timeout",
            "shutdown_max",
        ]
        .into_iter()
        .enumerate()
        {
            args[position] = Some(bad);
            let [timeout, wait_timeout, shutdown_timeout, shutdown_max] = args;
            let given = OptionArgs {
                timeout,
                wait_timeout,
                shutdown_timeout,
                shutdown_max,
                ..OptionArgs::default()
            };
            assert_eq!(refused(given), name);
            args[position] = None;
        }
    }
    assert_eq!(
        refused(OptionArgs {
            timeout: Some(0.0),
            ..OptionArgs::default()
        }),
        "timeout"
    );
    assert_eq!(
        refused(OptionArgs {
            max_retries: Some(-1),
            ..OptionArgs::default()
        }),
        "max_retries"
    );
    assert_eq!(
        refused(OptionArgs {
            session_concurrency: Some(0),
            ..OptionArgs::default()
        }),
        "session_concurrency"
    );
    assert_eq!(
        refused(OptionArgs {
            max_state_bytes: Some(-1),
            ..OptionArgs::default()
        }),
        "max_state_bytes"
    );
    assert_eq!(
        refused(OptionArgs {
            max_event_bytes: Some(0),
            ..OptionArgs::default()
        }),
        "max_event_bytes"
    );
    assert_eq!(
        refused(OptionArgs {
            spool: Some("disk".into()),
            ..OptionArgs::default()
        }),
        "spool"
    );
    for proxy in ["socks5://p:1", "http://", "ftp://x"] {
        assert_eq!(
            refused(OptionArgs {
                proxy: Some(proxy.into()),
                ..OptionArgs::default()
            }),
            "proxy"
        );
    }
}

#[test]
fn a_malformed_variable_is_one_warning_and_the_default() {
    for (name, value) in [
        ("SENTRIAL_TIMEOUT", "30s"),
        ("SENTRIAL_TIMEOUT", "0"),
        ("SENTRIAL_TIMEOUT", "inf"),
        ("SENTRIAL_MAX_RETRIES", "-1"),
        ("SENTRIAL_MAX_RETRIES", "2.5"),
        ("SENTRIAL_WAIT_TIMEOUT", "-0.1"),
        ("SENTRIAL_SHUTDOWN_TIMEOUT", "nan"),
        ("SENTRIAL_SHUTDOWN_MAX", "soon"),
        ("SENTRIAL_ALLOW_HTTP", "maybe"),
        ("SENTRIAL_SPOOL", "disk"),
    ] {
        let (options, warnings) = resolve(OptionArgs::default(), &[(name, value)]);
        assert_eq!(options.unwrap(), Options::default(), "{name}={value}");
        assert_eq!(warnings.len(), 1, "{name}={value}");
        assert!(
            warnings[0].contains(name) && warnings[0].contains(value),
            "{warnings:?}"
        );
    }
    let secret = "sentrial_live_0123456789abcdef";
    let (_, warnings) = resolve(OptionArgs::default(), &[("SENTRIAL_TIMEOUT", secret)]);
    assert!(!warnings[0].contains("0123"), "{warnings:?}");
}

#[test]
fn large_numbers_do_not_overflow() {
    let args = OptionArgs {
        timeout: Some(f64::MAX),
        wait_timeout: Some(1e-300),
        max_retries: Some(i64::MAX),
        max_event_bytes: Some(i64::MAX),
        ..OptionArgs::default()
    };
    let options = resolve(args, &[]).0.unwrap();
    assert_eq!(options.timeout, Duration::from_secs(365 * 24 * 3600));
    assert!(options.wait_timeout > Duration::ZERO);
    assert_eq!(options.max_retries, u32::MAX);
}

#[test]
fn a_longer_shutdown_timeout_is_not_cut_by_the_default_maximum() {
    let args = OptionArgs {
        shutdown_timeout: Some(60.0),
        ..OptionArgs::default()
    };
    assert_eq!(
        resolve(args.clone(), &[]).0.unwrap().shutdown_max,
        Duration::from_secs(60)
    );
    let args = OptionArgs {
        shutdown_max: Some(20.0),
        ..args
    };
    assert_eq!(
        resolve(args, &[]).0.unwrap().shutdown_max,
        Duration::from_secs(20)
    );
}

#[test]
fn a_proxy_does_not_show_its_password() {
    let args = OptionArgs {
        proxy: Some("user:secret@proxy:8080".into()),
        ..OptionArgs::default()
    };
    let options = resolve(args, &[]).0.unwrap();
    assert!(!format!("{options:?}").contains("secret"));
    let proxy = options.proxy.unwrap();
    assert_eq!(proxy.expose(), "http://user:secret@proxy:8080/");
    let blank = OptionArgs {
        proxy: Some(" ".into()),
        ..OptionArgs::default()
    };
    assert_eq!(resolve(blank, &[]).0.unwrap().proxy, None);
}

#[test]
fn switches_of_the_environment() {
    let mut warnings = Vec::new();
    for (value, on) in [
        ("1", true),
        ("TRUE", true),
        (" yes ", true),
        ("On", true),
        ("0", false),
    ] {
        let get = |_: &str| Some(value.to_owned());
        let env = Environment::new(&get);
        let read = (env.disabled(&mut warnings), env.debug(&mut warnings));
        assert_eq!(read, (on, on), "{value}");
    }
    assert!(warnings.is_empty());
    let typo = |_: &str| Some("ture".to_owned());
    assert!(!Environment::new(&typo).disabled(&mut warnings));
    assert_eq!(std::mem::take(&mut warnings).len(), 1);
    for (value, mode) in [
        ("Immediate", Some(DeliveryMode::Immediate)),
        ("background", Some(DeliveryMode::Background)),
        ("", None),
    ] {
        let get = |_: &str| Some(value.to_owned());
        assert_eq!(Environment::new(&get).delivery(&mut warnings), mode);
    }
    assert_eq!(warnings, Vec::<String>::new());
    let get = |_: &str| Some("fast".to_owned());
    assert_eq!(Environment::new(&get).delivery(&mut warnings), None);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn batch_options_are_checked() {
    assert_eq!(
        BatchOptions::resolve(&BatchArgs::default()).unwrap(),
        BatchOptions::default()
    );
    let refused = |args: BatchArgs| BatchOptions::resolve(&args).unwrap_err().parameter;
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let args = BatchArgs {
            flush_interval: Some(bad),
            ..BatchArgs::default()
        };
        assert_eq!(refused(args), "batching.flush_interval");
    }
    let args = BatchArgs {
        flush_threshold: Some(0),
        ..BatchArgs::default()
    };
    assert_eq!(refused(args), "batching.flush_threshold");
    let args = BatchArgs {
        max_queue_size: Some(0),
        ..BatchArgs::default()
    };
    assert_eq!(refused(args), "batching.max_queue_size");
}
