//! A process that is killed while it saves leaves the old file or the new one, whole.
#![cfg(feature = "std")]

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nin_runtime::{Order, ParamInfo, weights};

const KILLS: u32 = 200;

/// Tells the child where to save.
const CHILD: &str = "NIN_CRASH_TEST_FILE";

/// A megabyte, so that most of the time goes into writing.
const TABLE: &[ParamInfo] = &[
    ParamInfo {
        name: "0.0.weight",
        shape: &[256, 256, 2, 2],
        offset: 0,
        order: Order::ChannelsLast,
    },
    ParamInfo {
        name: "0.0.bias",
        shape: &[256],
        offset: 256 * 256 * 4,
        order: Order::ChannelsLast,
    },
];
const ARENA: usize = 256 * 256 * 4 + 256;

/// The number of the save that wrote the file: all its weights have that value.
fn number(path: &Path) -> f32 {
    let mut arena = vec![f32::NAN; ARENA];
    weights::load(path, TABLE, &mut arena).expect("the file is readable");
    assert!(arena.iter().all(|weight| *weight == arena[0]), "two saves are mixed");
    arena[0]
}

/// The child: saves one number after the other until it is killed.
#[test]
fn child() {
    let Some(path) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let start = number(&path) as u32;
    println!("!");
    for number in start + 1.. {
        weights::save(&path, TABLE, &[number as f32; ARENA]).unwrap();
    }
}

/// A child that has begun to save.
fn spawn(path: &Path) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--quiet"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut byte = [0];
    while byte != *b"!" {
        output.read_exact(&mut byte).expect("the child starts to save");
    }
    child
}

#[test]
fn a_save_killed_at_any_moment_leaves_the_old_file_or_the_new_one() {
    let folder = env::temp_dir().join(format!("nin-crash-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("net.safetensors");
    weights::save(&path, TABLE, &[0.0; ARENA]).unwrap();
    let (mut last, mut in_the_middle) = (0.0, 0);
    for kill in 0..KILLS {
        let mut child = spawn(&path);
        // Moments that lie evenly over several saves.
        thread::sleep(Duration::from_micros(u64::from(kill * 7919 % KILLS) * 100));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = number(&path);
        assert!(found >= last, "save {last} was lost: the file has {found}");
        last = found;
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry != path {
                in_the_middle += 1;
                fs::remove_file(entry).unwrap();
            }
        }
    }
    fs::remove_dir_all(folder).unwrap();
    println!("{KILLS} kills, {in_the_middle} of them in the middle of a save; {last} saves");
    assert!(in_the_middle > 0, "no kill met a save");
}
