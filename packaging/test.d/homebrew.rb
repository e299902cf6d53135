# Follows the steps of the formula as Homebrew would, with the built program in place of cargo: homebrew.rb PREFIX
require "fileutils"
require "pathname"

PREFIX = Pathname.new(ARGV.fetch(0))
PROGRAM = ENV.fetch("PROGRAM")

class Pathname
  def install(*sources)
    mkpath
    FileUtils.cp(sources.flatten, self)
  end
end

class Formula
  FIELDS = {}
  %w[desc homepage url sha256 license depends_on].each do |word|
    define_singleton_method(word) { |*values| FIELDS[word] = values }
  end
  class << self
    def test(&block) = define_method(:run_test, &block)

    def service(&block) = define_method(:run_service) { instance_eval(&block) }
  end
  def bin = PREFIX/"bin"
  def opt_bin = bin
  def etc = PREFIX/"etc"
  def var = PREFIX/"var"
  def man5 = PREFIX/"share/man/man5"
  def man8 = PREFIX/"share/man/man8"
  def std_cargo_args = ["--locked", "--root", PREFIX.to_s, "--path", "."]
  def system(command, *arguments)
    if command == "cargo"
      raise "not an installation: #{arguments}" unless arguments == ["install", *std_cargo_args]
      bin.mkpath
      return FileUtils.cp(PROGRAM, bin/"stubborn")
    end
    Kernel.system(command.to_s, *arguments.map(&:to_s), out: File::NULL) or raise "#{command} #{arguments.join(" ")}"
  end

  def generate_completions_from_executable(program, *words)
    %w[bash zsh fish].each { |shell| system(program, *words, shell) }
  end

  # Of the service: each word of it is noted.
  def method_missing(word, *values)
    return super unless %i[run require_root keep_alive log_path error_log_path].include?(word)
    (@service ||= {})[word] = values
  end

  def respond_to_missing?(*) = true
end

load "packaging/homebrew/stubborn.rb"
version = ENV.fetch("VERSION")
raise "another version: #{Formula::FIELDS["url"]}" unless Formula::FIELDS["url"][0].include?("stubborn-#{version}.")
formula = Stubborn.new
# Man pages are made beside the source, as in Homebrew's build directory.
source = Dir.pwd
build = PREFIX/"build"
build.mkpath
FileUtils.cp_r(File.join(source, "etc"), build)
Dir.chdir(build) { formula.install }
formula.run_test
command = formula.run_service && formula.instance_variable_get(:@service)[:run][0].map(&:to_s)
help = `#{PROGRAM} run --help`
raise "the service: #{command}" unless command[1] == "run" && command.grep(/^--/).all? { |word| help.include?(word) }
raise "no caveats" if formula.caveats.empty?
