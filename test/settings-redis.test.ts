import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadSettings } from "../src/settings.ts";
import { folderWith, MINIMAL, problemsOf } from "./support/settings-folder.ts";

test("Redis is named in one line, or with files for its passwords", async (context) => {
  const long =
    "redis: { url: 'redis+sentinel://s1,s2/main', username: ann, passwordFile: pw, sentinelPasswordFile: /run/spw }\n";
  const cwd = await folderWith(context, `${MINIMAL}${long}`);
  const { redis } = await loadSettings({ env: {}, cwd });
  assert.deepEqual(redis, {
    place: {
      kind: "sentinel",
      servers: [
        { host: "s1", port: 26379 },
        { host: "s2", port: 26379 },
      ],
      name: "main",
      db: 0,
    },
    tls: false,
    username: "ann",
    password: null,
    passwordFile: join(cwd, "pw"),
    sentinelPasswordFile: "/run/spw",
  });
  const env = { POSTERN_REDIS: "rediss+cluster://a,b" };
  assert.equal((await loadSettings({ env, cwd })).redis?.place.kind, "cluster");
});

test("what does not fit together in the settings of Redis is told where it stands", async (context) => {
  const redis = [
    "redis:",
    "  url: redis://ann:secret@127.0.0.1",
    "  username: bob",
    "  passwordFile: pw",
    "  sentinelPasswordFile: pw",
    "",
  ].join("\n");
  const cwd = await folderWith(context, `${MINIMAL}${redis}`);
  const problems = (await problemsOf({ env: {}, cwd })).join("\n");
  assert.match(problems, /:5:\d+ {2}redis\.username: expected no name/);
  assert.match(problems, /:6:\d+ {2}redis\.passwordFile: expected no file/);
  assert.match(problems, /:7:\d+ {2}redis\.sentinelPasswordFile: expected only with/);
  assert.doesNotMatch(problems, /secret/);
  const typo = await folderWith(context, `${MINIMAL}redis: { urls: "redis://:secret@a" }\n`);
  const told = (await problemsOf({ env: {}, cwd: typo })).join("\n");
  assert.match(told, /redis\.urls: unknown key `urls`/);
  assert.match(told, /redis\.url: expected redis:\/\//);
  assert.doesNotMatch(told, /secret/);
});
