// Decisions that are not saved yet: kept in this browser until the server has them.
"use strict";

class Outbox {
  constructor(reviewer, onChange, onSaved) {
    this.key = "astrid-outbox:" + reviewer;
    this.onChange = onChange;
    this.onSaved = onSaved;
    this.sending = null;
    this.timer = null;
    this.waitMs = 0;
    this.problem = "";
    this.waiting = this.read();
  }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.key) || "[]");
    } catch {
      return [];
    }
  }

  write() {
    try {
      localStorage.setItem(this.key, JSON.stringify(this.waiting));
    } catch {
      // A browser without storage still has them in memory.
      this.problem = "this browser keeps nothing: do not close the page";
    }
    this.onChange(this);
  }

  add(decision) {
    this.waiting.push(decision);
    this.write();
    return this.flush();
  }

  // One at a time and in order: an undo must not overtake what it undoes.
  flush() {
    if (!this.sending) {
      this.sending = this.send().finally(() => { this.sending = null; });
    }
    return this.sending;
  }

  async send() {
    clearTimeout(this.timer);
    while (this.waiting.length) {
      const decision = this.waiting[0];
      let answer;
      try {
        answer = await fetch("/review/events", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(decision),
          signal: AbortSignal.timeout(15000),
        });
      } catch {
        this.later("the server does not answer");
        return;
      }
      if (answer.ok) {
        const saved = await answer.json();
        this.waiting.shift();
        this.waitMs = 0;
        this.problem = "";
        this.write();
        this.onSaved(decision, saved);
      } else if (answer.status === 422 || answer.status === 404) {
        // It will never be taken: say so, and go on with the others.
        const problem = await answer.json().catch(() => ({}));
        this.waiting.shift();
        this.write();
        this.onSaved(decision, null, problem.detail || "the server refused it");
      } else {
        const problem = await answer.json().catch(() => ({}));
        this.later(problem.detail || "the server answered " + answer.status);
        return;
      }
    }
  }

  later(problem) {
    this.problem = problem;
    this.waitMs = Math.min(Math.max(2 * this.waitMs, 1000), 15000);
    this.timer = setTimeout(() => this.flush(), this.waitMs);
    this.onChange(this);
  }
}
