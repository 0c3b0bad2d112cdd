//! Which folders are used.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::Scratch;
use crate::core::options::SpoolPlaces;
use crate::core::spool::place::{room_in, to_read, to_write};

fn chosen(path: &Path) -> SpoolPlaces {
    SpoolPlaces {
        chosen: Some(path.to_owned()),
        ..SpoolPlaces::default()
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_chosen_folder_is_made_for_the_user_alone_and_only_to_write_to() {
    let scratch = Scratch::new();
    let path = scratch.file("a").join("b");
    assert_eq!(to_read(&chosen(&path)), (Vec::new(), None));
    assert!(!path.exists());
    assert_eq!(to_write(&chosen(&path)).unwrap(), path);
    assert_eq!(mode(&path), 0o700);
    assert_eq!(to_read(&chosen(&path)), (vec![path], None));
}

#[test]
fn a_folder_that_is_no_safe_place_is_refused_in_words() {
    let scratch = Scratch::new();
    let (open, file, link) = (
        scratch.file("open"),
        scratch.file("file"),
        scratch.file("link"),
    );
    std::fs::create_dir(&open).unwrap();
    set_mode(&open, 0o777);
    std::fs::write(&file, "").unwrap();
    symlink(&scratch.0, &link).unwrap();
    for (path, why) in [
        (open, "is open to other users; make it mode 0700"),
        (file, "is not a folder"),
        (link, "is a symbolic link"),
    ] {
        let words = format!("{}: {why}", path.display());
        assert_eq!(to_write(&chosen(&path)), Err(words.clone()));
        assert_eq!(to_read(&chosen(&path)), (Vec::new(), Some(words)));
    }
}

#[test]
fn the_temporary_folder_serves_where_the_state_folder_cannot_be_made() {
    let scratch = Scratch::new();
    std::fs::write(scratch.file("file"), "").unwrap();
    let places = SpoolPlaces {
        chosen: None,
        state: Some(scratch.file("file")),
        temporary: scratch.0.clone(),
    };
    let path = to_write(&places).unwrap();
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(path, scratch.file(&format!("sentrial-{uid}")));
    assert_eq!(mode(&path), 0o700);
    set_mode(&path, 0o755);
    assert!(
        to_write(&places).is_err(),
        "others may look inside, below a folder for all"
    );
}

#[test]
fn the_cap_counts_every_file_of_the_folder() {
    let scratch = Scratch::new();
    assert_eq!(room_in(&scratch.0, 0, 100), 100);
    std::fs::write(scratch.file("a.db"), [0; 50]).unwrap();
    std::fs::write(scratch.file("a.db-wal"), [0; 20]).unwrap();
    assert_eq!(room_in(&scratch.0, 0, 100), 30);
    assert_eq!(room_in(&scratch.0, 0, 60), 0);
}

#[test]
fn half_of_what_is_free_on_the_disk_is_left_to_the_host() {
    let scratch = Scratch::new();
    let free = |path: &Path| {
        let disk = rustix::fs::statvfs(path).unwrap();
        disk.f_bavail * disk.f_frsize
    };
    let room = room_in(&scratch.0, 1, u64::MAX);
    assert!(room > 0 && room < free(&scratch.0) / 4 * 3, "{room} bytes");
    let missing = scratch.file("missing");
    assert_eq!(room_in(&missing, 0, 7), 7, "a full disk says so itself");
}
