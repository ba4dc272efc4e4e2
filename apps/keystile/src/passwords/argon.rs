//! Argon2id (RFC 9106), in memory that is used again.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use keystile_authority::ports::PasswordChecked;
use keystile_protocol::Secret;
use keystile_protocol::encoding::equal_in_constant_time;

use crate::entropy::random;

/// The most memory that a hash may ask for, whoever made it.
const MEMORY_AT_MOST_KIB: u32 = 1024 * 1024;
const ITERATIONS_AT_MOST: u32 = 100;
const LANES_AT_MOST: u32 = 16;
const OUTPUT: usize = 32;

/// What one hash costs; one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
}

impl Default for Cost {
    /// OWASP's second choice: 19 MiB and two passes.
    fn default() -> Self {
        Self { memory_kib: Params::DEFAULT_M_COST, iterations: Params::DEFAULT_T_COST }
    }
}

impl Cost {
    /// Whether hashes can be made with it.
    pub fn check(self) -> Result<(), &'static str> {
        if !(Params::MIN_M_COST..=MEMORY_AT_MOST_KIB).contains(&self.memory_kib) {
            return Err("memory_kib is from 8 to 1048576");
        }
        if !(1..=ITERATIONS_AT_MOST).contains(&self.iterations) {
            return Err("iterations is from 1 to 100");
        }
        Ok(())
    }

    /// About how many of them one thread does in a second: a pass over a MiB takes about half a
    /// millisecond.
    pub(super) fn a_second(self) -> usize {
        let passes = u64::from(self.memory_kib) * u64::from(self.iterations);
        usize::try_from(2 * 1024 * 1000 / passes.max(1)).unwrap_or(usize::MAX).min(1000)
    }

    fn params(self) -> Option<Params> {
        Params::new(self.memory_kib, self.iterations, 1, Some(OUTPUT)).ok()
    }
}

/// Whether a stored hash can be checked here: Argon2 in PHC string format, at a bearable cost.
pub fn check_hash(hash: &str) -> Result<(), &'static str> {
    Stored::parse(hash).map(drop)
}

/// A hash in PHC string format, taken apart.
struct Stored {
    argon: Argon2<'static>,
    salt: Salt,
    output: Output,
}

impl Stored {
    fn parse(hash: &str) -> Result<Self, &'static str> {
        const FORM: &str = "it is not a hash in PHC string format, such as \
                            $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH";
        let hash = PasswordHash::new(hash).map_err(|_| FORM)?;
        let algorithm = Algorithm::new(hash.algorithm.as_str())
            .map_err(|_| "it is not an Argon2 hash; other kinds cannot be checked")?;
        let version = hash.version.unwrap_or(Version::V0x13.into());
        let version = Version::try_from(version).map_err(|_| FORM)?;
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else { return Err(FORM) };
        let params = Params::try_from(&hash).map_err(|_| FORM)?;
        if params.m_cost() > MEMORY_AT_MOST_KIB
            || params.t_cost() > ITERATIONS_AT_MOST
            || params.p_cost() > LANES_AT_MOST
        {
            return Err("it costs more than is done here: at most m=1048576, t=100 and p=16");
        }
        Ok(Self { argon: Argon2::new(algorithm, version, params), salt, output })
    }

    fn is_weaker_than(&self, cost: Cost) -> bool {
        let params = self.argon.params();
        params.m_cost() < cost.memory_kib || params.t_cost() < cost.iterations
    }
}

/// A thread's tools.
pub(super) struct Workbench {
    cost: Cost,
    blocks: Vec<Block>,
}

impl Workbench {
    pub(super) fn new(cost: Cost) -> Self {
        Self { cost, blocks: Vec::new() }
    }

    /// Gives the memory back.
    pub(super) fn put_away(&mut self) {
        self.blocks = Vec::new();
    }

    pub(super) fn hash(&mut self, password: &Secret) -> String {
        let params = self.params();
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let salt: [u8; 16] = random();
        let mut output = [0; OUTPUT];
        self.run(&argon, password, &salt, &mut output).expect("16 bytes of salt, 32 of output");
        PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).expect("three numbers"),
            salt: Some(Salt::new(&salt).expect("16 bytes")),
            hash: Some(Output::new(&output).expect("32 bytes")),
        }
        .to_string()
    }

    /// Without a hash, or with one that cannot be read, the same work is done.
    pub(super) fn check(&mut self, password: &Secret, hash: Option<&str>) -> PasswordChecked {
        let stored = match hash.map(Stored::parse) {
            Some(Ok(stored)) => stored,
            Some(Err(problem)) => {
                tracing::error!("a stored password hash cannot be checked: {problem}");
                return self.check_nothing(password);
            }
            None => return self.check_nothing(password),
        };
        let mut output = vec![0; stored.output.len()];
        let run = self.run(&stored.argon, password, &stored.salt, &mut output);
        let matches = run.is_ok() && equal_in_constant_time(&output, stored.output.as_bytes());
        PasswordChecked { matches, outdated: stored.is_weaker_than(self.cost) }
    }

    fn check_nothing(&mut self, password: &Secret) -> PasswordChecked {
        self.hash(password);
        PasswordChecked { matches: false, outdated: false }
    }

    fn params(&self) -> Params {
        self.cost.params().expect("the settings were checked")
    }

    fn run(
        &mut self,
        argon: &Argon2<'_>,
        password: &Secret,
        salt: &[u8],
        output: &mut [u8],
    ) -> argon2::Result<()> {
        let needed = argon.params().block_count();
        if self.blocks.len() < needed {
            self.blocks.resize(needed, Block::default());
        }
        let password = password.expose().as_bytes();
        let result = argon.hash_password_into_with_memory(password, salt, output, &mut self.blocks);
        let usual = self.params().block_count();
        if self.blocks.len() > usual {
            self.blocks.truncate(usual);
            self.blocks.shrink_to_fit();
        }
        result
    }
}
