//! Starting other programs: the project's root, `cargo` in it, and the one error of this package.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What went wrong, as a maintainer reads it.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// The result of every task.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with this text: lower case, no final stop.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A failed operation on a file.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The root of the workspace: the directory above this package.
///
/// Cargo names the package's directory when it runs us; the place of the build serves where it does not.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map(Path::to_path_buf).unwrap_or(package)
}

/// `cargo` with these arguments, in the root.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// The command as one would type it, with `cargo` for cargo's own path.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Runs the command with our own input and output, and answers its exit code.
///
/// # Errors
/// The program cannot be started. A program that a signal ended counts as code 1.
pub(crate) fn status(command: &mut Command) -> Result<u8> {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| Failure::new(format!("{}: {error}", shown(command))))?;
    Ok(status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1)))
}

/// Runs the command like [`status`] and takes any code but 0 for a failure.
///
/// # Errors
/// The program cannot be started or fails.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    match status(command)? {
        0 => Ok(()),
        code => Err(Failure::new(format!("`{}` ended with code {code}", shown(command)))),
    }
}

/// Runs the command and answers what it wrote on standard output; its standard error stays ours.
///
/// # Errors
/// The program cannot be started, fails, or writes something that is not UTF-8.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let typed = shown(command);
    let failed = |reason: String| Failure::new(format!("`{typed}`: {reason}"));
    let output = capture(command).map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

fn capture(command: &mut Command) -> std::io::Result<Output> {
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_holds_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn exit_codes_are_passed_on() {
        assert_eq!(status(Command::new("sh").args(["-c", "exit 101"])).unwrap(), 101);
        assert!(
            succeed(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string().ends_with("code 3")
        );
        assert_eq!(status(Command::new("sh").args(["-c", "kill -9 $$"])).unwrap(), 1);
    }

    #[test]
    fn output_is_read_and_failures_are_told() {
        assert_eq!(read(Command::new("sh").args(["-c", "echo yes"])).unwrap(), "yes\n");
        assert!(read(Command::new("sh").args(["-c", "exit 2"])).is_err());
        assert!(read(&mut Command::new("no-such-program-here")).is_err());
    }
}
