//! How much more memory this process may take: the least of what the machine has, what its control groups allow, and
//! what its own limits allow.
//!
//! A container's limit is that of a control group, a cluster's job has one or limits of its process, and a shell's is
//! `ulimit`. Reaching the first ends a process without a word; so a run is compared with them before it begins.

use std::path::{Path, PathBuf};

/// Memory that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub left_bytes: u64,
    pub limit: Limit,
}

/// What sets a limit, with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// What the machine has to give without swapping.
    Machine,
    /// A control group, by its folder, with the file that says so.
    ControlGroup { folder: PathBuf, file: &'static str, bytes: u64 },
    /// `ulimit -v`
    AddressSpace { bytes: u64 },
    /// `ulimit -d`
    Data { bytes: u64 },
}

/// What this process may take beyond what it has; `None` where the system says nothing about it.
pub fn room() -> Option<Room> {
    room_below(Path::new("/"))
}

/// The same, of the system whose `/proc` and `/sys` lie in a folder.
fn room_below(root: &Path) -> Option<Room> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let status = read("proc/self/status").unwrap_or_default();
    let mut found = Vec::new();
    if let Some(left_bytes) = kib(&read("proc/meminfo").unwrap_or_default(), "MemAvailable:") {
        found.push(Room { left_bytes, limit: Limit::Machine });
    }
    found.extend(of_process(&read("proc/self/limits").unwrap_or_default(), &status));
    for line in read("proc/self/cgroup").unwrap_or_default().lines() {
        found.extend(of_groups(root, line));
    }
    found.into_iter().min_by_key(|room| room.left_bytes)
}

/// `key` of a file of lines like `VmRSS:    1024 kB`, in bytes.
pub(super) fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// `/proc/self/limits`: the limits that are in force, which a process may raise up to the second column.
fn of_process(limits: &str, status: &str) -> Vec<Room> {
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let of = |key: &str| kib(status, key).unwrap_or(0);
    // What allocators have reserved and not touched is theirs to give, so of the memory for data only what is resident
    // counts.
    let in_use = of("RssAnon:");
    let mapped = of("VmSize:").saturating_sub(of("VmData:"));
    let mut found = Vec::new();
    if let Some(bytes) = limit("Max address space") {
        let left_bytes = bytes.saturating_sub(mapped + in_use);
        found.push(Room { left_bytes, limit: Limit::AddressSpace { bytes } });
    }
    if let Some(bytes) = limit("Max data size") {
        found.push(Room { left_bytes: bytes.saturating_sub(in_use), limit: Limit::Data { bytes } });
    }
    found
}

/// A line of `/proc/self/cgroup`, `0::/user.slice/job` or `5:memory:/job`: the limits of the group and of every group
/// that it lies in.
fn of_groups(root: &Path, line: &str) -> Vec<Room> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (mount, files): (&str, &Files) = if controllers.is_empty() {
        ("sys/fs/cgroup", &UNIFIED)
    } else if controllers.split(',').any(|controller| controller == "memory") {
        ("sys/fs/cgroup/memory", &LEGACY)
    } else {
        return Vec::new();
    };
    let mount = root.join(mount);
    let inside = path.trim_start_matches('/');
    // The path may be that of the machine, of which a container sees its own part alone: then only that is found.
    let lowest = if inside.split('/').any(|part| part == "..") { mount.clone() } else { mount.join(inside) };
    let mut found = Vec::new();
    for folder in lowest.ancestors().take_while(|folder| folder.starts_with(&mount)) {
        found.extend(of_group(folder, files));
    }
    found
}

/// The files of a control group.
struct Files {
    limits: &'static [&'static str],
    usage: &'static str,
    /// Lines of `memory.stat` that count what the kernel lets go where memory is short: the content of files.
    reclaimable: &'static [&'static str],
}

const UNIFIED: Files = Files {
    limits: &["memory.max", "memory.high"],
    usage: "memory.current",
    reclaimable: &["inactive_file", "active_file", "slab_reclaimable"],
};

const LEGACY: Files = Files {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    reclaimable: &["total_inactive_file", "total_active_file"],
};

fn of_group(folder: &Path, files: &Files) -> Vec<Room> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let usage = number(files.usage).unwrap_or(0);
    let stat = read("memory.stat").unwrap_or_default();
    let reclaimable: u64 = stat
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(key, _)| files.reclaimable.contains(key))
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum();
    let in_use = usage.saturating_sub(reclaimable);
    // "max", and in the first version of control groups a number that no machine has, stand for no limit.
    let limits = files.limits.iter().filter_map(|&file| Some((file, number(file).filter(|&n| n < 1 << 60)?)));
    limits
        .map(|(file, bytes)| Room {
            left_bytes: bytes.saturating_sub(in_use),
            limit: Limit::ControlGroup { folder: folder.to_path_buf(), file, bytes },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A system with these files.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const MACHINE: (&str, &str) =
        ("proc/meminfo", "MemTotal:  2097152 kB\nMemFree:  10 kB\nMemAvailable:  1048576 kB\n");
    const STATUS: (&str, &str) = (
        "proc/self/status",
        "Name:\thgnnc\nVmSize:\t  614400 kB\nVmData:\t  512000 kB\nRssAnon:\t   20480 kB\n",
    );

    #[test]
    fn without_limits_it_is_what_the_machine_has() {
        let root = system(&[MACHINE, STATUS]);
        let room = Room { left_bytes: 1024 * MIB, limit: Limit::Machine };
        assert_eq!(room_below(root.path()), Some(room));
        assert_eq!(room_below(tempfile::tempdir().unwrap().path()), None);
    }

    #[test]
    fn limits_of_the_process_count_what_it_has_taken() {
        let limits = |space: &str, data: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max cpu time              unlimited            unlimited            seconds   \n\
                 Max data size             {data}            unlimited            bytes     \n\
                 Max address space         {space}            unlimited            bytes     \n"
            )
        };
        let room = |space: &str, data: &str| {
            let text = limits(space, data);
            room_below(system(&[MACHINE, STATUS, ("proc/self/limits", &text)]).path()).unwrap()
        };
        assert_eq!(room("unlimited", "unlimited").limit, Limit::Machine);
        // 600 MiB are mapped, 500 of them for data, of which 20 are in use: 120 of 420 MiB are taken.
        let bytes = 420 * MIB;
        let expected = Room { left_bytes: 300 * MIB, limit: Limit::AddressSpace { bytes } };
        assert_eq!(room(&bytes.to_string(), "unlimited"), expected);
        let expected = Room { left_bytes: 400 * MIB, limit: Limit::Data { bytes } };
        assert_eq!(room("unlimited", &bytes.to_string()), expected);
    }

    #[test]
    fn every_control_group_on_the_way_up_counts() {
        let group = |name: &str| format!("sys/fs/cgroup/{name}");
        let (outer, inner) = (group("jobs/memory.high"), group("jobs/one/memory.max"));
        let (outer_now, inner_now) = (group("jobs/memory.current"), group("jobs/one/memory.current"));
        let stat = group("jobs/memory.stat");
        let (outer_bytes, inner_bytes) = ((600 * MIB).to_string(), (500 * MIB).to_string());
        let usage = (250 * MIB).to_string();
        let stat_text = format!("anon 5\nactive_file {}\ninactive_file {}\n", 30 * MIB, 20 * MIB);
        let mut files = vec![
            MACHINE,
            ("proc/self/cgroup", "0::/jobs/one\n"),
            (&inner, &inner_bytes),
            (&inner_now, "1048576"),
            (&outer, &outer_bytes),
            (&outer_now, &usage),
            (&stat, &stat_text),
        ];
        let root = system(&files);
        // 600 − (250 − 50) of the outer group are less than 500 − 1 of the inner one.
        let folder = root.path().join("sys/fs/cgroup/jobs");
        let limit = Limit::ControlGroup { folder, file: "memory.high", bytes: 600 * MIB };
        assert_eq!(room_below(root.path()), Some(Room { left_bytes: 400 * MIB, limit }));
        // A group may limit nothing.
        files[2].1 = "max";
        files[4].1 = "max\n";
        assert_eq!(room_below(system(&files).path()).unwrap().limit, Limit::Machine);
    }

    #[test]
    fn control_groups_of_the_first_version_count_too() {
        let root = system(&[
            MACHINE,
            ("proc/self/cgroup", "7:cpu,cpuacct:/elsewhere\n5:memory:/docker/abc\n"),
            // The container sees its own group as the root.
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "209715200"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "104857600"),
            ("sys/fs/cgroup/memory/memory.stat", "cache 1\ntotal_inactive_file 52428800\n"),
        ]);
        let room = room_below(root.path()).unwrap();
        assert_eq!(room.left_bytes, 150 * MIB);
        assert!(matches!(room.limit, Limit::ControlGroup { file: "memory.limit_in_bytes", .. }), "{room:?}");
        let unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        let root = system(&[MACHINE, ("proc/self/cgroup", "5:memory:/\n"), unlimited]);
        assert_eq!(room_below(root.path()).unwrap().limit, Limit::Machine);
    }

    #[test]
    fn this_system_says_something_sensible() {
        if Path::new("/proc/meminfo").exists() {
            assert!(room().is_some_and(|room| room.left_bytes > MIB && room.left_bytes < 1 << 50));
        }
    }
}
