<?php
use PHPUnit\Framework\TestCase;
use SebastianBergmann\Diff\Differ;
use SebastianBergmann\Diff\Output\UnifiedDiffOutputBuilder;

/** Tests of php-sebastian-diff: long texts, many of them. */
final class DiffTest extends TestCase
{
    public static function sizes(): array
    {
        return array_map(fn ($n) => [$n], range(1, 120, 7));
    }

    /** @dataProvider sizes */
    public function testOneChangedLineIsFound(int $size): void
    {
        $lines = array_map(fn ($n) => "line $n " . str_repeat('x', $n) . "\n", range(1, $size));
        $changed = $lines;
        $changed[intdiv($size, 2)] = "another\n";
        $differ = new Differ(new UnifiedDiffOutputBuilder);
        $diff = $differ->diff(implode('', $lines), implode('', $changed));
        $this->assertStringContainsString("\n+another", $diff);
        $this->assertSame(1, preg_match_all('/^\+another/m', $diff));
    }

    public function testExceptionsAreSeen(): void
    {
        $this->expectException(InvalidArgumentException::class);
        throw new InvalidArgumentException(str_repeat('long ', 10000));
    }

    public function testMocks(): void
    {
        for ($i = 0; $i < 30; $i++) {
            $mock = $this->createMock(Countable::class);
            $mock->method('count')->willReturn($i);
            $this->assertCount($i, $mock);
        }
    }
}
