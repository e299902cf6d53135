# The formula of Homebrew. There is no release to fetch yet: whoever publishes one writes its address and checksum here.
#
#   git archive --prefix=stubborn-0.1.0/ -o stubborn-0.1.0.tar.gz HEAD && shasum -a 256 stubborn-0.1.0.tar.gz
#   brew tap-new "$USER/local" && cp packaging/homebrew/stubborn.rb "$(brew --repository "$USER/local")/Formula/"
#   brew install "$USER/local/stubborn" && sudo brew services start stubborn
#
# Not run by Homebrew, which could not be had: Ruby reads it, and a stand-in for Homebrew follows its steps
# (packaging/test.d/70-others).
class Stubborn < Formula
  desc "DNS resolver that refuses to be rebound"
  homepage "https://stubborn.example/"
  url "https://stubborn.example/stubborn-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    (etc/"stubborn").install "etc/stubborn.toml"
    generate_completions_from_executable(bin/"stubborn", "completions")
    system bin/"stubborn", "man", "--directory", "man"
    man5.install Dir["man/*.5"]
    man8.install Dir["man/*.8"]
  end

  # Root is for port 53; it is given up once the ports are bound, to a number that needs no account.
  service do
    run [opt_bin/"stubborn", "run", "--config", etc/"stubborn/stubborn.toml",
         "--user", "5335:5335", "--socket", var/"run/stubborn/control.sock"]
    require_root true
    keep_alive true
    log_path var/"log/stubborn.log"
    error_log_path var/"log/stubborn.log"
  end

  def caveats
    <<~EOS
      Name the servers to ask in #{etc}/stubborn/stubborn.toml, then:
        sudo brew services start stubborn
        sudo networksetup -setdnsservers Wi-Fi 127.0.0.1
    EOS
  end

  test do
    system bin/"stubborn", "audit", "--config", "/dev/null"
  end
end
