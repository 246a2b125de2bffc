import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseStsRecord } from "../../../src/relay/tls/mta-sts-record.ts";

describe("the TXT record of MTA-STS", () => {
  const kindOf = (...texts: string[]) => parseStsRecord(texts).kind;

  it("tells the id of the policy", () => {
    const record = { kind: "record", id: "20160831085700Z" };
    assert.deepEqual(parseStsRecord(["v=STSv1; id=20160831085700Z;"]), record);
    assert.deepEqual(parseStsRecord(["v=STSv1;id=20160831085700Z"]), record);
    assert.deepEqual(parseStsRecord(["v=STSv1 ; x-y=!~ ; id=20160831085700Z ;"]), record);
  });

  it("is found among the records of others", () => {
    assert.equal(kindOf("v=spf1 -all", "v=STSv1; id=1"), "record");
    assert.equal(kindOf("v=spf1 -all", "v=STSv12; id=1", " v=STSv1; id=1"), "none");
    assert.equal(kindOf(), "none");
  });

  it("is invalid when it is there twice", () => {
    assert.equal(kindOf("v=STSv1; id=1", "v=STSv1; id=1"), "invalid");
  });

  it("is invalid without one readable id, and with anything that is no field", () => {
    for (const text of [
      "v=STSv1;",
      "v=STSv1; id=",
      "v=STSv1; id=a-b",
      `v=STSv1; id=${"1".repeat(33)}`,
      "v=STSv1; id=1; id=2",
      "v=STSv1; id=1; nonsense",
      "v=STSv1; id=1; a=b=c",
      "v=STSv1;; id=1",
      "v=STSv1; id=1\0",
      "v=STSv1; id=1; x=ä",
    ])
      assert.equal(kindOf(text), "invalid", JSON.stringify(text));
  });
});
