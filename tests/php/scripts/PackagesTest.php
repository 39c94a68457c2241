<?php
require_once '/usr/share/php/Psr/Log/autoload.php';
require_once '/usr/share/php/Symfony/Component/Console/autoload.php';

use Symfony\Component\Console\Logger\ConsoleLogger;
use Symfony\Component\Console\Output\BufferedOutput;

/** The tests that php-psr-log brings for every logger, of the logger in php-symfony-console. */
final class PackagesTest extends Psr\Log\Test\LoggerInterfaceTest
{
    private BufferedOutput $output;

    public function getLogger()
    {
        $this->output = new BufferedOutput(BufferedOutput::VERBOSITY_DEBUG);
        return new ConsoleLogger($this->output);
    }

    public function getLogs()
    {
        return preg_replace('/^\[(\w+)\] /', '$1 ', array_filter(explode("\n", $this->output->fetch())));
    }
}
