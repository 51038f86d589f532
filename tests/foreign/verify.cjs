// What other people's JavaScript says of envelopes: cases on standard input, one verdict for each on standard output.
// Started by test_envelopes.py with the folder of the installed packages as its argument.
'use strict'
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { readFileSync } = require('node:fs')

const load = createRequire(join(process.argv[2], 'package.json'))
const { crypto, dsse } = load('@sigstore/core')
const { bundleFromJSON } = load('@sigstore/bundle')
const { Verifier, toSignedEntity, toTrustMaterial } = load('@sigstore/verify')

const NO_AUTHORITIES = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] }
const NO_WITNESSES = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }

// The primitive: their encoding of what is signed, and their verification of one signature.
function signature({ envelope, key, digest }) {
  const body = Buffer.from(envelope.payload, 'base64')
  const made = Buffer.from(envelope.signatures[0].sig, 'base64')
  return crypto.verify(dsse.preAuthEncoding(envelope.payloadType, body), crypto.createPublicKey(key), made, digest)
}

// The whole way: the envelope as a bundle, and a verifier that trusts this one key under this one name.
function bundle({ envelope, key, keyid }) {
  const trusted = toTrustMaterial(NO_AUTHORITIES, (hint) => {
    if (hint !== keyid) throw new Error(`no key is called ${hint}`)
    return { publicKey: crypto.createPublicKey(key), validFor: () => true }
  })
  const wrapped = bundleFromJSON({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: envelope.signatures[0].keyid } },
    dsseEnvelope: envelope,
  })
  new Verifier(trusted, NO_WITNESSES).verify(toSignedEntity(wrapped))
  return true
}

const ways = { signature, bundle }
const cases = JSON.parse(readFileSync(0, 'utf8'))
const verdicts = cases.map((one) => {
  try {
    return { good: ways[one.way](one), why: '' }
  } catch (error) {
    return { good: false, why: `${error.name}: ${error.message}` }
  }
})
process.stdout.write(JSON.stringify(verdicts))
