//! The floor of a Windows guest, as an answer file for an image that was generalised with sysprep.
//!
//! There is no second answer file that Windows would merge, so a customer's own user data is refused for Windows. All that
//! is put in are addresses, which hold nothing that XML would have to escape.

use std::net::IpAddr;

/// Windows' word for Asia/Tokyo.
const TIME_ZONE: &str = "Tokyo Standard Time";

/// The answer file.
#[must_use]
pub fn answer_file(ntp: &[IpAddr]) -> String {
    // 0x8: asks as a client. A command takes 259 characters, which three addresses of IPv6 fill.
    let peers: Vec<String> = ntp.iter().take(3).map(|server| format!("{server},0x8")).collect();
    let parameters = r"reg add HKLM\SYSTEM\CurrentControlSet\Services\W32Time\Parameters";
    let mut commands = vec![
        format!(r"{parameters} /v Type /t REG_SZ /d NTP /f"),
        "sc config w32time start= auto".to_owned(),
        "sc config QEMU-GA start= auto".to_owned(),
    ];
    if !peers.is_empty() {
        commands.insert(0, format!(r#"{parameters} /v NtpServer /t REG_SZ /d "{}" /f"#, peers.join(" ")));
    }
    let commands: Vec<String> = commands
        .iter()
        .enumerate()
        .map(|(index, command)| {
            format!(
                "        <RunSynchronousCommand wcm:action=\"add\"><Order>{}</Order><Path>cmd /c {command}</Path></RunSynchronousCommand>\n",
                index + 1
            )
        })
        .collect();
    let commands = commands.concat();
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">
  <settings pass="specialize">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <TimeZone>{TIME_ZONE}</TimeZone>
    </component>
    <component name="Microsoft-Windows-Deployment" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <RunSynchronous>
{commands}      </RunSynchronous>
    </component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <TimeZone>{TIME_ZONE}</TimeZone>
    </component>
  </settings>
</unattend>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_is_told_its_zone_and_its_servers() {
        let file = answer_file(&["192.0.2.123".parse().unwrap(), "2001:db8::123".parse().unwrap()]);
        assert_eq!(file.matches("<TimeZone>Tokyo Standard Time</TimeZone>").count(), 2);
        assert!(file.contains(r#"/v NtpServer /t REG_SZ /d "192.0.2.123,0x8 2001:db8::123,0x8" /f</Path>"#), "{file}");
        assert!(!answer_file(&[]).contains("NtpServer"));
    }

    #[test]
    fn every_element_that_is_opened_is_closed() {
        let file = answer_file(&["192.0.2.123".parse().unwrap()]);
        let mut open: Vec<&str> = Vec::new();
        for tag in file.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
            match tag.strip_prefix('/') {
                _ if tag.starts_with('?') => {}
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None => open.push(tag.split_whitespace().next().unwrap()),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    /// Windows takes no longer ones.
    #[test]
    fn commands_with_many_servers_stay_below_what_windows_takes() {
        let many = ["2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap(); 5];
        let file = answer_file(&many);
        for command in file.split("<Path>").skip(1).map(|rest| rest.split("</Path>").next().unwrap()) {
            assert!(command.len() <= 259, "{} characters: {command}", command.len());
        }
    }
}
