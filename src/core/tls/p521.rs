//! Signatures with the curve P-521, which ring does not know: `OpenSSL` makes such keys on request,
//! and a server that has no other could not be reached at all.

use std::sync::LazyLock;

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use p521::ecdsa::{DerSignature, VerifyingKey};
use rustls::SignatureScheme;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

type Algorithm = &'static dyn SignatureVerificationAlgorithm;
type Mapping = (SignatureScheme, &'static [Algorithm]);

#[derive(Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

impl SignatureVerificationAlgorithm for Hash {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::try_from(signature).map_err(|_| InvalidSignature)?;
        key.verify_prehash(&self.of(message), &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self {
            Self::Sha256 => alg_id::ECDSA_SHA256,
            Self::Sha384 => alg_id::ECDSA_SHA384,
            Self::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

/// ring's algorithms and those of this file. In TLS 1.2 a server with such a key needs a client that
/// also exchanges keys on this curve, so that it is of use in TLS 1.3 and for authorities.
pub(super) fn algorithms() -> WebPkiSupportedAlgorithms {
    static OWN: &[Algorithm] = &[&Hash::Sha512, &Hash::Sha384, &Hash::Sha256];
    static ALL: LazyLock<Vec<Algorithm>> = LazyLock::new(|| {
        let all = ring::default_provider()
            .signature_verification_algorithms
            .all;
        all.iter().chain(OWN).copied().collect()
    });
    static MAPPING: LazyLock<Vec<Mapping>> = LazyLock::new(|| {
        let known = ring::default_provider()
            .signature_verification_algorithms
            .mapping;
        let own = (SignatureScheme::ECDSA_NISTP521_SHA512, OWN);
        known.iter().copied().chain([own]).collect()
    });
    WebPkiSupportedAlgorithms {
        all: &ALL,
        mapping: &MAPPING,
    }
}
