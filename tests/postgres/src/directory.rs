//! A server's directory, and who removes both when the test process is gone.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::programs::give;

/// Waits for the end of its input, which comes with the test process's end however that came,
/// then ends every process with the server's name and removes what they left: the directory, and
/// the segment of shared memory that a killed server cannot release.
const WATCH: &str = r#"
cat >/dev/null
processes() { printf %s "$name" | grep -lsaF -f - /proc/[0-9]*/cmdline | tr -dc '0-9\n'; }
for signal in CONT QUIT; do
  for pid in $(processes); do kill -s $signal $pid; done
done
waited=0
while [ -n "$(processes)" ]; do
  waited=$((waited + 1))
  if [ $waited -gt 50 ]; then
    for pid in $(processes); do kill -s KILL $pid; done
  fi
  sleep 0.1
done
segment=$(sed -n '7s/.* //p' "$directory/data/postmaster.pid")
[ -n "$segment" ] && ipcrm --shmem-id "$segment"
while [ -e "$directory" ]; do rm -rf "$directory"; done
"#;

/// A directory of a server that is to end with this value, or with the process.
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// A name that no other server has.
    pub(crate) name: String,
    watchdog: Child,
}

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("keystile-postgres-{}-{number:04}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let watchdog = Command::new("sh")
            .args(["-c", WATCH])
            // Not as arguments, by which the watchdog would find itself.
            .env("name", &name)
            .env("directory", &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What a terminal sends to stop the tests is not for it.
            .process_group(0)
            .spawn()
            .unwrap();
        std::fs::create_dir(&path).unwrap();
        give(&path);
        Self { path, name, watchdog }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Writes a file that the server can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, text).unwrap();
        give(&path);
        path
    }

    pub(crate) fn text(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.path.join(name)).unwrap_or_default()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
