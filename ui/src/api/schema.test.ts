// @vitest-environment node
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('has the types that the OpenAPI document gives; run `npm run types` where it has not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'types-'));
  try {
    const fresh = join(folder, 'schema.d.ts');
    execFileSync('node', ['node_modules/openapi-typescript/bin/cli.js', 'openapi.json', '-o', fresh], {
      stdio: 'pipe',
    });
    expect(readFileSync('src/api/schema.d.ts', 'utf8')).toBe(readFileSync(fresh, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
