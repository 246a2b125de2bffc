import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type BreakerRules,
  HitRateBreaker,
  usualShare,
} from "../../../src/stages/dnsbl/hit-rate-breaker.ts";

const RULES: BreakerRules = { factor: 5, sample: 100, least: 20, usual: 0.5 };
const SECOND = 1000;
const MINUTE = 60 * SECOND;

/**
 * A zone that for ten minutes lists its usual share of two clients a second, and then everybody.
 * Gives the seconds after the jump until it is demoted, and the breaker.
 */
function jump(usual: number, rules = RULES, perSecond = 2) {
  const breaker = new HitRateBreaker(null);
  const learned = { asked: 1000, hits: 1000 * usual };
  let debt = 0;
  for (let second = 0; second < 600; second++) {
    debt += perSecond * usual;
    const hits = Math.floor(debt);
    debt -= hits;
    breaker.add(second * SECOND, { asked: perSecond, hits });
    assert.equal(breaker.judge(second * SECOND, learned, rules), null, `second ${second}`);
  }
  for (let second = 1; second <= 120; second++) {
    const now = (600 + second) * SECOND;
    breaker.add(now, { asked: perSecond, hits: perSecond });
    if (breaker.judge(now, learned, rules) === "demoted") return { second, breaker, learned, now };
  }
  return { second: Number.POSITIVE_INFINITY, breaker, learned, now: 720 * SECOND };
}

describe("the breaker of a zone that lists far more than usual", () => {
  for (const usual of [0, 0.02, 0.1, 0.3, 0.5, 0.8, 0.95])
    it(`finds out within a minute that everybody is listed where ${usual * 100} % is usual`, () => {
      const { second } = jump(usual);
      assert.ok(second <= 60, `${second} s`);
    });

  it("needs more than a few listed clients, and takes more time where few come", () => {
    const breaker = new HitRateBreaker(null);
    const learned = { asked: 1000, hits: 20 };
    const states: string[] = [];
    for (let minute = 0; minute < 25; minute++) {
      breaker.add(minute * MINUTE, { asked: 1, hits: 1 });
      states.push(breaker.judge(minute * MINUTE, learned, RULES) ?? "");
    }
    assert.equal(states.indexOf("demoted"), RULES.least - 1);
  });

  it("lets a zone go on that lists more than usual, within reason", () => {
    const breaker = new HitRateBreaker(null);
    for (let second = 0; second < 300; second++) {
      breaker.add(second * SECOND, { asked: 10, hits: second < 150 ? 2 : 5 });
      assert.equal(breaker.judge(second * SECOND, { asked: 1000, hits: 200 }, RULES), null);
    }
  });

  it("believes it again after a whole minute near what is usual", () => {
    const { breaker, learned, now } = jump(0.1);
    assert.equal(breaker.state(), "demoted");
    let back: number | null = null;
    for (let second = 1; second <= 200 && back === null; second++) {
      const at = now + second * SECOND;
      // Half a minute more of the jump, then all is as before.
      breaker.add(at, { asked: 10, hits: second <= 30 ? 10 : 1 });
      if (breaker.judge(at, learned, RULES) === "trusted") back = second;
    }
    assert.ok(back !== null && back >= 60 && back <= 95, `${back}`);
  });

  it("does not learn from a jump, and learns from all else", () => {
    const { breaker, now } = jump(0.1);
    breaker.add(now + SECOND, { asked: 10, hits: 10 });
    assert.deepEqual(breaker.retire(now + 3 * 60 * MINUTE, RULES.least), { asked: 0, hits: 0 });
    const calm = new HitRateBreaker(null);
    for (let minute = 0; minute < 10; minute++) calm.add(minute * MINUTE, { asked: 30, hits: 3 });
    assert.deepEqual(calm.retire(10 * MINUTE, RULES.least), { asked: 270, hits: 27 });
    assert.deepEqual(calm.retire(10 * MINUTE, RULES.least), { asked: 0, hits: 0 });
  });

  it("takes the share of the policy for usual until the sample is full", () => {
    assert.equal(usualShare({ asked: 99, hits: 99 }, RULES), 0.5);
    assert.equal(usualShare({ asked: 100, hits: 30 }, RULES), 0.3);
    assert.equal(usualShare({ asked: 100, hits: 0 }, RULES), 0.02);
    assert.equal(usualShare({ asked: 100, hits: 100 }, RULES), 0.98);
  });
});
