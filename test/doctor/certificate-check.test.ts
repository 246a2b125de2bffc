import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { certificateCheck } from "../../src/doctor/certificate-check.ts";
import { examine } from "../../src/doctor/doctor.ts";
import { makeCertificate, ownCertificate } from "../../src/smtp/certificate.ts";
import { afterwards } from "../support/afterwards.ts";

const NOW = Date.UTC(2026, 0, 1);
const YEAR_MS = 365 * 86_400_000;
const NOBODY = { also: [], clientCa: null, clientPins: [] };

test("doctor tells of self-signed, of other names and of the end, and fails for what cannot serve", async (context) => {
  const dataDir = await mkdtemp(join(tmpdir(), "doctor-"));
  afterwards(context, () => rm(dataDir, { recursive: true, force: true }));
  const made = await makeCertificate("other.example.org", NOW);
  const own = { cert: join(dataDir, "cert.pem"), key: join(dataDir, "key.pem") };
  await writeFile(own.cert, made.cert);
  await writeFile(own.key, made.key);
  await ownCertificate("mx.example.org", dataDir, NOW);
  const absent = { cert: join(dataDir, "absent.pem"), key: own.key };
  const listeners = [
    { name: "made", hostname: "mx.example.org", tls: { ...NOBODY, own: null } },
    { name: "none", hostname: "new.example.org", tls: { ...NOBODY, own: null } },
    { name: "named", hostname: "mx.example.org", tls: { ...NOBODY, own } },
    { name: "absent", hostname: "mx.example.org", tls: { ...NOBODY, own: absent } },
  ];
  const look = async (now: number) =>
    (await examine([certificateCheck({ listeners, dataDir, now })])).map(
      ({ subject, status, detail }) => `${status} ${subject} ${detail.replace(/.*pem: /, "")}`,
    );
  assert.deepEqual((await look(NOW)).slice(0, 4), [
    "warn made it is self-signed: nobody else vouches for it",
    "warn none the settings name no certificate: a self-signed one is made at the start",
    "warn named it is self-signed: nobody else vouches for it",
    "warn named it is not for the name other.example.org".replace("other", "mx"),
  ]);
  assert.match((await look(NOW)).at(-1) ?? "", /^fail absent ENOENT/);
  assert((await look(NOW + 3 * YEAR_MS)).some((line) => /^fail named it expired on/.test(line)));
});

test("a check that throws has failed, and the next one runs", async () => {
  const broken = { name: "broken", run: () => Promise.reject(new Error("out of order")) };
  const fine = { name: "fine", run: async () => [] };
  assert.deepEqual(await examine([broken, fine]), [
    { check: "broken", subject: "check", status: "fail", detail: "out of order" },
  ]);
});
